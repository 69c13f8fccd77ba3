"use strict";

/* One sequence: its scores, and which of its frames is looked at. */

const EVERY_OBJECT = "";

class Sequence {
  constructor(data, runs) {
    Object.assign(this, data);  // name, frames, objects, scores, pictures
    this.runNames = runs;
    this.views = [...runs, "truth"];
    this.frame = this.pictures[1]?.frame ?? Math.min(1, this.frames.length - 1);  // scored
    this.object = EVERY_OBJECT;
    this.measures = new Set(["J", "F"]);
    this.listeners = [];
  }

  /* Indices of the runs that have this sequence. */
  get runs() {
    return this.scores.flatMap((scores, run) => (scores ? [run] : []));
  }

  /* Call `listener` now and after each change. */
  onChange(listener) {
    this.listeners.push(listener);
    listener();
  }

  change(values) {
    Object.assign(this, values);
    this.frame = Math.max(0, Math.min(this.frames.length - 1, this.frame));
    this.listeners.forEach((listener) => listener());
  }

  /* J or F of a frame: of the chosen object, or the mean of all; null where it is not scored. */
  value(run, measure, frame) {
    const objects = this.scores[run][measure];
    if (this.object !== EVERY_OBJECT) return objects[this.objects.indexOf(this.object)][frame];
    const values = objects.map((perFrame) => perFrame[frame]);
    if (values.includes(null)) return null;
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  /* "J 91.2, F 88.0, 41 ms" */
  valuesText(run, frame) {
    const [region, boundary] = ["J", "F"].map((measure) => this.value(run, measure, frame));
    const ms = this.scores[run].ms?.[frame] ?? null;
    const scores =
      region === null ? "not scored" : `J ${percent(region)}, F ${percent(boundary)}`;
    return ms === null ? scores : `${scores}, ${ms.toFixed(1)} ms`;
  }

  /* The kept picture nearest to a frame; undefined where there are none. */
  picture(frame) {
    const distance = (picture) => Math.abs(picture.frame - frame);
    return this.pictures.reduce(
      (best, picture) => (distance(picture) < distance(best) ? picture : best),
      this.pictures[0],
    );
  }

  /* The figure of a view (a run, or last the truth) of a kept picture. */
  figure(picture, view, { masks = true, values = true } = {}) {
    const isRun = values && view < this.runNames.length;
    const caption = this.views[view] + (isRun ? `: ${this.valuesText(view, picture.frame)}` : "");
    const text = `${this.name}, frame ${this.frames[picture.frame]}, ${caption}`;
    const layer = masks ? picture.layers[view] : null;
    return element("figure", {}, stack(picture.image, layer, text), element("figcaption", {}, caption));
  }
}
