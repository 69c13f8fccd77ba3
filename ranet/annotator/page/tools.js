// What the pointer draws, tool by tool. Each gives an edit when it is finished.
//
// A tool has: hint; down/move/up(point, pen), which may return an edit; draw(stage, style), which
// shows what is unfinished; cancel(). Points are [x, y] from the corner of the top left pixel; edits
// count from its centre.

const centred = ([x, y]) => [x - 0.5, y - 0.5];
const CLOSE = 10; // screen pixels from the first corner within which a click closes a polygon
const STEP = 1; // screen pixels that a stroke moves at least between two points

function outline(pen, scale, colour, path) {
  for (const [style, width] of [["#fff", 4], [colour, 2]]) {
    pen.strokeStyle = style;
    pen.lineWidth = width / scale;
    pen.lineJoin = "round";
    pen.beginPath();
    path();
    pen.stroke();
  }
}

export class Box {
  hint = "Drag a box around";
  start = null;

  down(point) {
    this.start = this.end = point;
  }

  move(point) {
    if (this.start) this.end = point;
  }

  up(point) {
    if (!this.start) return null;
    const [[x0, y0], [x1, y1]] = [this.start, point];
    this.cancel();
    const box = [
      Math.floor(Math.min(y0, y1)), Math.floor(Math.min(x0, x1)),
      Math.ceil(Math.max(y0, y1)), Math.ceil(Math.max(x0, x1)),
    ];
    const isClick = box[2] - box[0] < 3 || box[3] - box[1] < 3;
    return isClick ? null : { kind: "box", box };
  }

  draw({ pen, scale }, { colour }) {
    if (!this.start) return;
    const [[x0, y0], [x1, y1]] = [this.start, this.end];
    outline(pen, scale, colour, () => pen.rect(x0, y0, x1 - x0, y1 - y0));
  }

  cancel() {
    this.start = null;
  }

  get busy() {
    return this.start !== null;
  }
}

export class Polygon {
  hint = "Click corners around";
  corners = [];
  pointer = null;

  down(point, scale) {
    const [first] = this.corners;
    const closes = first && this.corners.length > 2
      && Math.hypot(point[0] - first[0], point[1] - first[1]) * scale < CLOSE;
    if (closes) return this.finish();
    this.corners.push(point);
    return null;
  }

  move(point) {
    this.pointer = point;
  }

  up() {
    return null;
  }

  finish() {
    if (this.corners.length < 3) return null;
    const points = this.corners.map(centred);
    this.cancel();
    return { kind: "polygon", points };
  }

  back() {
    this.corners.pop();
  }

  draw({ pen, scale }, { colour }) {
    if (!this.corners.length) return;
    const path = [...this.corners, this.pointer ?? this.corners.at(-1)];
    outline(pen, scale, colour, () => path.forEach(([x, y]) => pen.lineTo(x, y)));
    for (const [x, y] of this.corners) {
      pen.fillStyle = "#fff";
      pen.beginPath();
      pen.arc(x, y, 4 / scale, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  cancel() {
    this.corners = [];
  }

  get busy() {
    return this.corners.length > 0;
  }
}

class Stroke {
  points = null;
  pointer = null;
  radius = 8; // pixels of the video

  down(point) {
    this.points = [point];
  }

  move(point, scale) {
    this.pointer = point;
    if (!this.points) return;
    const [x, y] = this.points.at(-1);
    if (Math.hypot(point[0] - x, point[1] - y) * scale >= STEP) this.points.push(point);
  }

  up() {
    if (!this.points) return null;
    const points = this.points.map(centred);
    this.cancel();
    return { kind: this.kind, points, radius: this.radius };
  }

  draw({ pen, scale }, style) {
    if (this.points) {
      pen.globalAlpha = 0.6;
      pen.strokeStyle = this.paint(style);
      pen.lineWidth = 2 * this.radius;
      pen.lineCap = pen.lineJoin = "round";
      pen.beginPath();
      pen.moveTo(...this.points[0]);
      this.points.forEach(([x, y]) => pen.lineTo(x, y));
      pen.stroke();
      pen.globalAlpha = 1;
    }
    if (this.pointer) {
      const [x, y] = this.pointer;
      outline(pen, scale, "#000", () => pen.arc(x, y, this.radius, 0, 2 * Math.PI));
    }
  }

  cancel() {
    this.points = null;
  }

  get busy() {
    return this.points !== null;
  }
}

export class Brush extends Stroke {
  kind = "brush";
  hint = "Paint";

  paint({ colour }) {
    return colour;
  }
}

export class Eraser extends Stroke {
  kind = "eraser";
  hint = "Erase what does not belong to";

  paint() {
    return "#888";
  }
}
