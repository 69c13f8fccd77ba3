// Which frame is looked at, which are marked, which have masks.

export class Timeline {
  constructor(go) {
    this.slider = document.getElementById("frame");
    this.number = document.getElementById("number");
    this.spans = document.getElementById("spans");
    this.frame = 0;
    this.frames = 1;
    this.state = { marked: [], found: [] };
    this.slider.addEventListener("input", () => go(Number(this.slider.value)));
    this.number.addEventListener("change", () => go(Number(this.number.value)));
    new ResizeObserver(() => this.draw()).observe(this.spans);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  within(number) {
    return Math.min(this.frames - 1, Math.max(0, Math.round(number) || 0));
  }

  update(state) {
    this.state = state;
    this.frames = Math.max(1, state.frames);
    this.slider.max = this.number.max = this.frames - 1;
    document.getElementById("of").textContent =
      `of 0 to ${this.frames - 1}${state.counting ? " …" : ""}`;
    this.at(this.frame);
    this.draw();
  }

  at(frame) {
    this.frame = frame;
    this.slider.value = frame;
    if (document.activeElement !== this.number) this.number.value = frame;
  }

  draw() {
    const { spans, frames } = this;
    const colours = getComputedStyle(document.documentElement);
    spans.width = Math.round(spans.clientWidth * devicePixelRatio);
    const pen = spans.getContext("2d");
    // Frame n is where the slider's thumb stands for it.
    const place = (number) => (frames > 1 ? (number / (frames - 1)) * spans.width : 0);
    const half = frames > 1 ? spans.width / (frames - 1) / 2 : spans.width;
    pen.fillStyle = colours.getPropertyValue("--found");
    for (const [first, last] of this.state.found) {
      pen.fillRect(place(first) - half, 3, place(last) - place(first) + 2 * half, spans.height - 3);
    }
    pen.fillStyle = colours.getPropertyValue("--marked");
    for (const number of this.state.marked) {
      pen.fillRect(Math.min(place(number), spans.width - 4) - 2, 0, 5, spans.height);
    }
  }
}
