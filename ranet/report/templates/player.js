"use strict";

/* Steps through the kept pictures of a sequence, the masks of all runs and the truth beside
   each other. */

const FRAMES_A_SECOND = 8;

class Player {
  constructor(sequence) {
    this.sequence = sequence;
    this.shown = new Set(sequence.views.keys());
    this.masks = true;
    this.timer = null;
    this.panels = element("div", { class: "panels" });
    this.readout = element("output");
    this.slider = element("input", {
      type: "range", min: 0, max: sequence.pictures.length - 1, step: 1,
      "aria-label": `Picture of ${sequence.name}`,
      oninput: () => this.show(Number(this.slider.value)),
    });
    this.playButton = this.button("Play", "play", () => this.toggle());
    const controls = [
      this.button("First", "first", () => this.show(0)),
      this.button("Back", "back", () => this.show(this.place - 1)),
      this.playButton,
      this.button("Next", "next", () => this.show(this.place + 1)),
      this.button("Last", "last", () => this.show(sequence.pictures.length - 1)),
      this.slider,
    ];
    this.node = element(
      "div",
      { role: "group", class: "player", "aria-label": `Player of ${sequence.name}`, onkeydown: (event) => this.onKey(event) },
      element("div", { class: "controls" }, ...controls), this.readout, this.panels, this.choices(),
    );
    sequence.onChange(() => this.update());
  }

  button(text, action, onclick) {
    return element("button", { type: "button", "data-action": action, onclick }, text);
  }

  /* What is shown of each picture. */
  choices() {
    const box = (text, change) => {
      const input = element("input", { type: "checkbox", checked: true, onchange: () => { change(input.checked); this.update(); } });
      return element("label", {}, input, ` ${text}`);
    };
    const views = this.sequence.views.map((name, view) =>
      box(name, (on) => this.shown[on ? "add" : "delete"](view)),
    );
    const masks = box("masks over the frames", (on) => { this.masks = on; });
    return element("div", { class: "options", role: "group", "aria-label": "What is shown" }, ...views, masks);
  }

  get picture() {
    return this.sequence.picture(this.sequence.frame);
  }

  get place() {
    return this.sequence.pictures.indexOf(this.picture);
  }

  show(place) {
    const { pictures } = this.sequence;
    const picture = pictures[Math.max(0, Math.min(pictures.length - 1, place))];
    this.sequence.change({ frame: picture.frame });
  }

  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target.tagName === "INPUT") return;  // the slider has its own
    event.preventDefault();
    this.show(this.place + step);
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.place === this.sequence.pictures.length - 1) this.show(0);
    this.timer = setInterval(() => this.advance(), 1000 / FRAMES_A_SECOND);
    this.playButton.textContent = "Pause";
  }

  advance() {
    this.show(this.place + 1);
    if (this.place === this.sequence.pictures.length - 1) this.stop();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playButton.textContent = "Play";
  }

  update() {
    const { sequence, picture } = this;
    const views = [...sequence.runs, sequence.views.length - 1].filter((view) => this.shown.has(view));
    this.panels.replaceChildren(...views.map((view) => sequence.figure(picture, view, { masks: this.masks })));
    this.slider.value = this.place;
    this.slider.setAttribute("aria-valuetext", `frame ${sequence.frames[picture.frame]}`);
    this.readout.replaceChildren(...this.values());
  }

  values() {
    const { sequence, picture } = this;
    const { frame, frames } = sequence;
    const other = picture.frame === frame ? "" : ` (picture: ${frames[picture.frame]}, the nearest that was kept)`;
    const values = sequence.runs.map((run) => `${sequence.runNames[run]}: ${sequence.valuesText(run, frame)}`);
    return [`frame ${frames[frame]}${other}`, ...values].map((text) => element("span", {}, text));
  }
}
