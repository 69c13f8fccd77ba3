"use strict";

/* Fills the parts of the page that can be played with. */

const report = JSON.parse(document.getElementById("data").textContent);
const sequences = report.sequences.map((data) => new Sequence(data, report.runs));

/* A sequence that is folded until somebody asks for it: a page of fifty would be slow. */
function foldedSequence(sequence, place) {
  const scores = sequence.runs.map((run) => `${sequence.runNames[run]} ${percent(sequence.overall[run])}`);
  const title = element("summary", {}, sequence.name, element("span", { class: "soft" }, `J&F: ${scores.join(" · ")}`));
  const folded = element("details", { id: `sequence-${place}`, ontoggle: () => unfold(folded, sequence) }, title);
  return folded;
}

function unfold(folded, sequence) {
  if (!folded.open || folded.querySelector(".inside")) return;
  const inside = element("div", { class: "inside" });
  folded.append(inside);
  inside.append(new Curves(sequence).node);
  if (sequence.pictures.length) inside.append(new Player(sequence).node);
}

function openSequence(place) {
  const folded = document.getElementById(`sequence-${place}`);
  folded.open = true;
  unfold(folded, sequences[place]);  // now; the event comes later
  return folded;
}

function goTo(place) {
  const folded = openSequence(place);
  folded.scrollIntoView({ block: "start" });
  folded.querySelector("summary").focus({ preventScroll: true });
}

function worstFrame({ sequence: place, frame, score, contours }) {
  const sequence = sequences[place];
  const picture = { ...sequence.picture(frame), layers: contours };
  const views = [...sequence.runs, sequence.views.length - 1];
  const title = `${sequence.name}, frame ${sequence.frames[frame]}: J&F ${percent(score)}`;
  const look = () => { sequence.change({ frame }); goTo(place); };
  return element(
    "li", {},
    element("h3", {}, title),
    element("div", { class: "panels" }, ...views.map((view) => sequence.figure(picture, view))),
    element("button", { type: "button", onclick: look }, "Show over time"),
  );
}

function openTarget() {
  const target = location.hash.match(/^#sequence-(\d+)$/);
  if (target && sequences[target[1]]) goTo(Number(target[1]));
}

document.getElementById("worst")?.replaceChildren(...report.worst.map(worstFrame));
document.getElementById("folded").replaceChildren(...sequences.map(foldedSequence));
openSequence(0);
window.addEventListener("hashchange", openTarget);
openTarget();
