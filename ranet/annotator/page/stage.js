// The frame, what is marked and found in it, and what is being drawn: three canvases, one size.

import { picture } from "./api.js";

const CANVASES = ["picture", "layer", "draft"];

export class Stage {
  constructor() {
    this.element = document.getElementById("stage");
    this.sheet = document.getElementById("sheet");
    this.canvases = CANVASES.map((id) => document.getElementById(id));
    this.contexts = this.canvases.map((canvas) => canvas.getContext("2d"));
    this.draft = this.canvases[2];
    this.pen = this.contexts[2];
    this.magnification = 1; // times what fits
    this.wanted = 0;
    this.shown = null; // number of the frame that is on the screen
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  resize([height, width]) {
    this.width = width;
    this.height = height;
    for (const canvas of this.canvases) Object.assign(canvas, { width, height });
    this.fit();
  }

  // Screen pixels for a pixel of the video.
  get scale() {
    return this.sheet.clientWidth / this.width;
  }

  fit() {
    if (!this.width) return;
    const fitting = Math.min(
      this.element.clientWidth / this.width,
      this.element.clientHeight / this.height,
    );
    this.sheet.style.width = `${fitting * this.magnification * this.width}px`;
    this.sheet.style.height = `${fitting * this.magnification * this.height}px`;
  }

  // Magnify; what is at this point of the window stays there.
  zoom(magnification, x, y) {
    const box = this.element.getBoundingClientRect();
    const [anchorX, anchorY] = [x ?? box.left + box.width / 2, y ?? box.top + box.height / 2];
    const before = this.sheet.getBoundingClientRect();
    const across = (anchorX - before.left) / before.width;
    const down = (anchorY - before.top) / before.height;
    this.magnification = Math.min(16, Math.max(1, magnification));
    if (this.magnification < 1.05) this.magnification = 1;
    this.fit();
    const after = this.sheet.getBoundingClientRect();
    this.element.scrollLeft += after.left + across * after.width - anchorX;
    this.element.scrollTop += after.top + down * after.height - anchorY;
  }

  // Where in the video the pointer is: pixels from the corner of the top left one.
  point(event) {
    const box = this.draft.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.width,
      ((event.clientY - box.top) / box.height) * this.height,
    ];
  }

  // Show a frame, unless another one is wanted before it has come; true if it was shown.
  async show(number) {
    const turn = ++this.wanted;
    const [image, layer] = await Promise.all([
      number === this.shown ? null : picture(`/api/frame/${number}`),
      picture(`/api/layer/${number}`),
    ]);
    if (turn !== this.wanted) return false;
    if (image) this.contexts[0].drawImage(image, 0, 0);
    this.contexts[1].clearRect(0, 0, this.width, this.height);
    this.contexts[1].drawImage(layer, 0, 0);
    this.shown = number;
    return true;
  }

  wipe() {
    this.pen.clearRect(0, 0, this.width, this.height);
  }
}
