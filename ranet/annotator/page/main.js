// The page: what its controls do, and how they follow the state of the server.

import { get, post } from "./api.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { Box, Brush, Eraser, Polygon } from "./tools.js";

const POLL = 250; // milliseconds between two looks at work that is being done

const RESUMED = "These are the marks of last time. To begin anew, start the annotator with --fresh, which keeps them.";

const by = (id) => document.getElementById(id);
const stage = new Stage();
const timeline = new Timeline((number) => look(number));
const tools = { box: new Box(), polygon: new Polygon(), brush: new Brush(), eraser: new Eraser() };

let state = null;
let tool = tools.box;
let selected = 1; // object
let following = false; // whether the frames are shown as they are segmented
let playing = false;
let polling = false;
let finishedJob = 0; // number of the last job of which the end was told
let queue = Promise.resolve(); // edits are done one after another
let waiting = 0; // of them

// --- notes ---

function note(id, text) {
  by(id).hidden = !text;
  by(id).firstElementChild.textContent = text;
}

const complain = (error) => note("error", error.message);

for (const id of ["error", "told"]) {
  by(id).lastElementChild.addEventListener("click", () => note(id, ""));
}

// --- the state ---

function update(next) {
  if (next.trouble && next.trouble !== state?.trouble) complain(new Error(next.trouble));
  state = next;
  const ids = state.objects.map(({ id }) => id);
  if (!ids.includes(selected)) selected = ids[0];
  listObjects();
  timeline.update(state);
  by("undo").disabled = !state.can_undo;
  by("redo").disabled = !state.can_redo;
  showJob(state.job);
  showHint();
  if (state.job && !isRunning() && finishedJob !== state.job.number) finish(state.job);
  poll();
}

const isRunning = () => state.job?.state === "running";
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Follow what is being done until it has ended.
async function poll() {
  if (polling) return;
  polling = true;
  try {
    while (state.counting || isRunning()) {
      await pause(POLL);
      update(await get("/api/state"));
      const { job } = state;
      if (following && job?.doing === "segmenting" && job.frame !== null) await go(job.frame);
    }
  } catch (error) {
    complain(error);
  }
  polling = false;
}

// Ask the server to do something; questions are put one after another.
function ask(path, body) {
  waiting += 1;
  showHint();
  queue = queue.then(async () => {
    try {
      note("error", "");
      const { show, select, ...next } = await post(path, body);
      if (select !== undefined) selected = select;
      update(next);
      await go(show ?? timeline.frame);
      return true;
    } catch (error) {
      complain(error);
      return false;
    } finally {
      waiting -= 1;
      stage.wipe();
      redraw();
      showHint();
    }
  });
  return queue;
}

async function go(number) {
  const frame = timeline.within(number);
  timeline.at(frame);
  by("picture").setAttribute("aria-label", `Frame ${frame}`);
  return stage.show(frame);
}

// Go to a frame because someone wants to see it.
async function look(number) {
  following = false;
  try {
    await go(number);
  } catch (error) {
    complain(error);
  }
}

// --- objects ---

function listObjects() {
  const rows = state.objects.map(({ id, colour, frames }) => {
    const row = document.createElement("div");
    row.className = "object";
    const label = document.createElement("label");
    const choice = Object.assign(document.createElement("input"), {
      type: "radio", name: "object", value: id, checked: id === selected,
    });
    choice.addEventListener("change", () => select(id));
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = colour;
    const where = document.createElement("span");
    where.className = "where";
    where.textContent = whereText(frames);
    label.append(choice, swatch, `Object ${id}`, where);
    row.append(label);
    if (state.objects.length > 1) row.append(removal(id));
    return row;
  });
  const focused = document.activeElement?.name === "object";
  const legend = by("objects").firstElementChild;
  by("objects").replaceChildren(legend, ...rows);
  if (focused) by("objects").querySelector(":checked")?.focus();
}

function whereText(frames) {
  if (!frames.length) return "not marked yet";
  if (frames.length > 3) return `${frames.length} frames`;
  return `frame${frames.length > 1 ? "s" : ""} ${frames.join(", ")}`;
}

function removal(id) {
  const button = document.createElement("button");
  button.textContent = "×";
  button.title = `Remove object ${id}`;
  button.setAttribute("aria-label", button.title);
  button.addEventListener("click", () =>
    ask("/api/remove_object", { object: id, frame: timeline.frame }));
  return button;
}

function select(id) {
  if (!state.objects.some((object) => object.id === id)) return;
  selected = id;
  listObjects();
  showHint();
  redraw();
}

// --- marks ---

function edit(change, object = selected, frame = timeline.frame) {
  return ask("/api/edit", { frame, object, ...change });
}

async function finished(change) {
  if (!change) return;
  const refines = by("at-once").checked && ["box", "polygon"].includes(change.kind);
  const [object, frame] = [selected, timeline.frame];
  if ((await edit(change)) && refines) await edit({ kind: "refine" }, object, frame);
}

function chooseTool(name) {
  tool.cancel();
  tool = tools[name];
  document.querySelector(`[name="tool"][value="${name}"]`).checked = true;
  showHint();
  redraw();
}

function resizeBrush(pixels) {
  const size = Math.min(100, Math.max(1, Math.round(pixels)));
  by("size").value = size;
  by("size-shown").textContent = `${size} px`;
  for (const stroke of [tools.brush, tools.eraser]) stroke.radius = size / 2;
  redraw();
}

function redraw() {
  if (!state) return;
  stage.wipe();
  const { colour } = state.objects.find(({ id }) => id === selected);
  tool.draw(stage, { colour });
}

function showHint() {
  if (!state) return;
  const marked = state.objects.find(({ id }) => id === selected).frames.includes(timeline.frame);
  const hint = marked && tool === tools.box ? "Marked. Drag a new box to begin again with" : tool.hint;
  let text = `${hint} object ${selected} in this frame.`;
  if (tool === tools.polygon && tool.busy) text = "Click the first corner again, or press Enter, to close it. Esc gives it up.";
  by("hint").textContent = waiting > 0 ? "Working …" : text;
}

stage.draft.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !state || playing) return;
  stage.draft.setPointerCapture(event.pointerId);
  following = false;
  const change = tool.down(stage.point(event), stage.scale);
  redraw();
  showHint();
  finished(change);
});

stage.draft.addEventListener("pointermove", (event) => {
  for (const each of event.getCoalescedEvents?.() ?? [event]) tool.move(stage.point(each), stage.scale);
  redraw();
});

stage.draft.addEventListener("pointerup", (event) => {
  tool.move(stage.point(event), stage.scale);
  const change = tool.up(stage.point(event));
  if (!change) redraw(); // otherwise it stays until the answer is there
  finished(change);
});

stage.draft.addEventListener("pointercancel", () => {
  tool.cancel();
  redraw();
});

stage.draft.addEventListener("pointerleave", () => {
  if (tool.busy) return;
  tool.pointer = null;
  redraw();
});

// --- segmenting and exporting ---

function showJob(job) {
  const running = job?.state === "running";
  by("work").hidden = !running;
  by("hint").hidden = running;
  by("segment").disabled = by("export").disabled = running || !hasMarks();
  by("stop").disabled = !running || job.stopping;
  by("segment").textContent = canGoOn() ? "Go on" : state.complete ? "Segment again" : "Segment";
  if (!running) return;
  by("progress").max = job.total || 1;
  by("progress").value = job.done;
  by("progress-text").textContent = job.stopping ? "stopping …" : progressText(job);
}

function hasMarks() {
  return state.marked.length > 0;
}

function canGoOn() {
  return state.can_go_on && !isRunning() && state.backward === by("backward").checked;
}

function progressText({ doing, done, total, seconds_left: left }) {
  const time = left === null ? "" : `, ${timeText(left)} left`;
  return `${doing}: ${done} of ${total} frames${time}`;
}

function timeText(seconds) {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function finish(job) {
  finishedJob = job.number;
  if (job.state === "failed") complain(new Error(job.error));
  if (job.doing === "exporting" && job.state === "done") {
    note("told", `Written to ${state.exported.at(-1)}`);
  }
  look(following ? job.frame ?? timeline.frame : timeline.frame);
}

async function segment() {
  if (by("segment").disabled) return;
  playing = false;
  following = await ask("/api/segment", { backward: by("backward").checked });
}

by("segment").addEventListener("click", segment);
by("backward").addEventListener("change", () => showJob(state.job));
by("stop").addEventListener("click", () => ask("/api/stop"));
by("export").addEventListener("click", () => {
  note("told", "");
  ask("/api/export", {
    overlay: by("overlay").checked,
    coco: by("coco").checked,
    cut_out: by("cut-out").value || null,
  });
});

// --- playing ---

async function play() {
  playing = !playing;
  showPlaying();
  const each = 1000 / (state.frame_rate ?? 24);
  if (timeline.frame >= timeline.frames - 1) await look(0);
  while (playing && timeline.frame < timeline.frames - 1) {
    const [began, before] = [performance.now(), timeline.frame];
    await look(before + 1);
    await pause(Math.max(0, each - (performance.now() - began)));
    if (timeline.frame !== before + 1) break; // someone went elsewhere
  }
  playing = false;
  showPlaying();
}

function showPlaying() {
  by("play").textContent = playing ? "❚❚" : "▶";
  by("play").setAttribute("aria-label", playing ? "Pause" : "Play");
}

// --- the other controls ---

function zoom(magnification, x, y) {
  stage.zoom(magnification, x, y);
  by("zoom").textContent = `${Math.round(100 * stage.magnification)} %`;
  redraw();
}

by("play").addEventListener("click", play);
by("zoom-in").addEventListener("click", () => zoom(stage.magnification * 1.5));
by("zoom-out").addEventListener("click", () => zoom(stage.magnification / 1.5));
by("opacity").addEventListener("input", () => {
  by("layer").style.opacity = by("opacity").value / 100;
});
by("size").addEventListener("input", () => resizeBrush(Number(by("size").value)));
by("help").addEventListener("click", () => by("help-dialog").showModal());
by("add-object").addEventListener("click", () => ask("/api/add_object", { frame: timeline.frame }));
by("refine").addEventListener("click", () => edit({ kind: "refine" }));
by("clear").addEventListener("click", () => edit({ kind: "clear" }));
by("undo").addEventListener("click", () => ask("/api/step", { by: -1 }));
by("redo").addEventListener("click", () => ask("/api/step", { by: 1 }));
for (const choice of document.querySelectorAll('[name="tool"]')) {
  choice.addEventListener("change", () => chooseTool(choice.value));
}
stage.element.addEventListener("wheel", (event) => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  zoom(stage.magnification * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
}, { passive: false });

// --- keys ---

const press = (id) => () => by(id).disabled || by(id).click();
const step = (frames) => () => look(timeline.frame + frames);

const KEYS = {
  b: () => chooseTool("box"),
  p: () => chooseTool("polygon"),
  d: () => chooseTool("brush"),
  e: () => chooseTool("eraser"),
  g: press("refine"),
  n: press("add-object"),
  s: press("segment"),
  "?": press("help"),
  "+": press("zoom-in"),
  "=": press("zoom-in"),
  "-": press("zoom-out"),
  0: () => zoom(1),
  "[": () => resizeBrush(Math.min(by("size").value - 1, by("size").value / 1.25)),
  "]": () => resizeBrush(Math.max(Number(by("size").value) + 1, by("size").value * 1.25)),
  " ": play,
  Delete: press("clear"),
  ArrowLeft: step(-1),
  ArrowRight: step(1),
  "Shift+ArrowLeft": step(-10),
  "Shift+ArrowRight": step(10),
  "Ctrl+z": press("undo"),
  "Ctrl+Shift+z": press("redo"),
  "Ctrl+y": press("redo"),
  Enter: () => finished(tool.finish?.()),
  Backspace: () => tool.back?.(),
  Escape: () => tool.cancel(),
};
for (let id = 1; id <= 9; id += 1) KEYS[id] = () => select(id);

// Keys that an element uses itself when it has the focus.
function isTaken(element, key) {
  if (by("help-dialog").open) return true;
  if (element.matches("select, input[type=number]")) return true;
  if (element.matches("input[type=range], input[type=radio]")) return key.includes("Arrow");
  return element.matches("button, input[type=checkbox]") && [" ", "Enter"].includes(key);
}

document.addEventListener("keydown", (event) => {
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const arrows = event.key.startsWith("Arrow") || letter === "z";
  const name = [
    event.ctrlKey || event.metaKey ? "Ctrl+" : "", event.shiftKey && arrows ? "Shift+" : "", letter,
  ].join("");
  if (!state || !(name in KEYS) || event.altKey || isTaken(event.target, name)) return;
  event.preventDefault();
  KEYS[name]();
  redraw();
  showHint();
});

// --- the beginning ---

async function begin() {
  let first = await get("/api/state");
  while (!first.frames && first.counting) first = await get("/api/state");
  const [height, width] = first.size;
  stage.resize(first.size);
  by("title").textContent = document.title = `${first.title} – RANet annotator`;
  const rate = first.frame_rate ? `, ${Number(first.frame_rate.toFixed(2))} frames a second` : "";
  by("facts").textContent = `${width}×${height}${rate}`;
  resizeBrush(Math.max(4, Math.round(Math.min(height, width) / 24)));
  timeline.frame = first.marked[0] ?? 0;
  if (first.job?.state === "running") following = true; // the page was loaded again
  else finishedJob = first.job?.number ?? 0;
  update(first);
  if (first.resumed) note("told", RESUMED);
  for (const id of ["add-object", "refine", "clear", "play"]) by(id).disabled = false;
  await go(timeline.frame);
}

begin().catch(complain);
