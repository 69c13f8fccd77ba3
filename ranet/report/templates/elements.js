"use strict";

/* Elements, built so that text from names and files stays text. */

function build(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function element(name, attributes = {}, ...children) {
  return build(document.createElement(name), attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function percent(value) {
  return value === null ? "–" : (100 * value).toFixed(1);
}

function colour(run) {
  return `var(--run-${run})`;
}

/* A frame with a mask over it; a screen reader is told the whole by the frame's text. */
function stack(image, layer, text) {
  const pictures = [element("img", { src: `data:image/jpeg;base64,${image}`, alt: text })];
  if (layer) pictures.push(element("img", { src: `data:image/png;base64,${layer}`, alt: "" }));
  return element("span", { class: "stack" }, ...pictures);
}
