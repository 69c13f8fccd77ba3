"use strict";

/* J and F over the frames of a sequence. Colours tell runs apart, dashes the measures. */

const CHART = { height: 230, left: 34, right: 10, top: 10, bottom: 26 };
const DASHES = { J: "none", F: "6 4" };
const PAGE_OF_FRAMES = 10;

class Curves {
  constructor(sequence) {
    this.sequence = sequence;
    this.hovered = null;
    this.tooltip = element("div", { class: "tooltip", hidden: true, "aria-hidden": "true" });
    this.plot = element("div");
    this.chart = element(
      "div",
      {
        class: "chart",
        tabindex: "0",
        role: "slider",
        "aria-label": `J and F of ${sequence.name} over its frames`,
        "aria-valuemin": 0,
        "aria-valuemax": sequence.frames.length - 1,
        onmousemove: (event) => this.hover(this.frameAt(event)),
        onmouseleave: () => this.hover(null),
        onclick: (event) => sequence.change({ frame: this.frameAt(event) }),
        onkeydown: (event) => this.onKey(event),
      },
      this.plot,
      this.tooltip,
    );
    this.node = element("div", {}, this.legend(), this.chart);
    new ResizeObserver(() => this.draw()).observe(this.chart);
    sequence.onChange(() => this.draw());
  }

  legend() {
    const names = this.sequence.runs.map((run) =>
      element(
        "span",
        {},
        element("span", { class: "mark", style: `background:${colour(run)}` }),
        this.sequence.runNames[run],
      ),
    );
    return element("div", { class: "options" }, ...names, ...this.measureBoxes(), ...this.objectMenu());
  }

  measureBoxes() {
    return Object.entries(DASHES).map(([measure, dash]) => {
      const line = drawn("line", {
        x1: 0, x2: 28, y1: 5, y2: 5, stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": dash,
      });
      const box = element("input", { type: "checkbox", checked: true, onchange: () => this.toggle(measure, box) });
      const sample = drawn("svg", { width: 28, height: 10, "aria-hidden": "true" }, line);
      return element("label", {}, box, ` ${measure} `, sample);
    });
  }

  toggle(measure, box) {
    this.sequence.measures[box.checked ? "add" : "delete"](measure);
    this.draw();
  }

  objectMenu() {
    const { objects } = this.sequence;
    if (objects.length < 2) return [];
    const options = objects.map((label) => element("option", { value: label }, label));
    const menu = element(
      "select",
      { onchange: () => this.sequence.change({ object: menu.value }) },
      element("option", { value: EVERY_OBJECT }, "mean of all"),
      ...options,
    );
    return [element("label", {}, "object ", menu)];
  }

  x(frame) {
    const room = this.width - CHART.left - CHART.right;
    return CHART.left + (room * frame) / Math.max(1, this.sequence.frames.length - 1);
  }

  y(value) {
    return CHART.top + (1 - value) * (CHART.height - CHART.top - CHART.bottom);
  }

  frameAt(event) {
    const inside = event.clientX - this.chart.getBoundingClientRect().left - CHART.left;
    const share = inside / (this.width - CHART.left - CHART.right);
    const last = this.sequence.frames.length - 1;
    return Math.max(0, Math.min(last, Math.round(share * last)));
  }

  onKey(event) {
    const { frame, frames } = this.sequence;
    const targets = {
      ArrowLeft: frame - 1, ArrowDown: frame - 1, ArrowRight: frame + 1, ArrowUp: frame + 1,
      PageUp: frame + PAGE_OF_FRAMES, PageDown: frame - PAGE_OF_FRAMES, Home: 0, End: frames.length - 1,
    };
    if (!(event.key in targets)) return;
    event.preventDefault();
    this.sequence.change({ frame: targets[event.key] });
  }

  draw() {
    this.width = Math.max(240, this.chart.clientWidth);
    const { sequence } = this;
    const curves = sequence.runs.flatMap((run) =>
      [...sequence.measures].map((measure) => this.curve(run, measure)),
    );
    this.hoverLine = drawn("g");
    this.plot.replaceChildren(
      drawn(
        "svg",
        { viewBox: `0 0 ${this.width} ${CHART.height}`, height: CHART.height, "aria-hidden": "true" },
        ...this.axes(), ...curves, this.vertical(sequence.frame, "cursor"), this.hoverLine,
      ),
    );
    const values = sequence.runs.map((run) => `${sequence.runNames[run]} ${sequence.valuesText(run, sequence.frame)}`);
    this.chart.setAttribute("aria-valuenow", sequence.frame);
    this.chart.setAttribute("aria-valuetext", `frame ${sequence.frames[sequence.frame]}: ${values.join("; ")}`);
  }

  axes() {
    const levels = [0, 0.25, 0.5, 0.75, 1].flatMap((value) => [
      drawn("line", { class: "grid", x1: CHART.left, x2: this.width - CHART.right, y1: this.y(value), y2: this.y(value) }),
      drawn("text", { x: CHART.left - 5, y: this.y(value) + 4, "text-anchor": "end" }, `${100 * value}`),
    ]);
    const { frames } = this.sequence;
    const every = Math.max(1, Math.ceil(frames.length / Math.max(2, Math.floor(this.width / 90))));
    const names = frames.flatMap((name, frame) =>
      frame % every ? [] : [drawn("text", { x: this.x(frame), y: CHART.height - 8, "text-anchor": "middle" }, name)],
    );
    return [...levels, ...names];
  }

  curve(run, measure) {
    const { sequence } = this;
    let path = "", joined = false;
    sequence.frames.forEach((_, frame) => {
      const value = sequence.value(run, measure, frame);
      if (value !== null) path += `${joined ? "L" : "M"}${this.x(frame).toFixed(1)} ${this.y(value).toFixed(1)}`;
      joined = value !== null;
    });
    return drawn("path", { class: "curve", d: path, stroke: colour(run), "stroke-dasharray": DASHES[measure] });
  }

  vertical(frame, kind) {
    const x = this.x(frame);
    return drawn("line", { class: kind, x1: x, x2: x, y1: CHART.top, y2: CHART.height - CHART.bottom });
  }

  hover(frame) {
    if (frame === this.hovered) return;
    this.hovered = frame;
    this.tooltip.hidden = frame === null;
    this.hoverLine.replaceChildren(...(frame === null ? [] : [this.vertical(frame, "hover")]));
    if (frame !== null) this.showTooltip(frame);
  }

  showTooltip(frame) {
    const { sequence } = this;
    const lines = sequence.runs.map((run) =>
      element("div", {},
        element("span", { class: "mark", style: `background:${colour(run)}` }),
        `${sequence.runNames[run]}: ${sequence.valuesText(run, frame)}`),
    );
    const picture = sequence.picture(frame);
    const shown = picture
      ? [element("div", { class: "panels" }, ...sequence.runs.slice(0, 2).map((run) => sequence.figure(picture, run, { values: false })))]
      : [];
    const other = picture && picture.frame !== frame ? ` (picture: ${sequence.frames[picture.frame]})` : "";
    this.tooltip.replaceChildren(element("strong", {}, `frame ${sequence.frames[frame]}${other}`), ...lines, ...shown);
    const x = this.x(frame);
    const left = x < this.width / 2 ? x + 12 : x - this.tooltip.offsetWidth - 12;
    this.tooltip.style.left = `${Math.max(0, Math.min(this.width - this.tooltip.offsetWidth, left))}px`;
  }
}
