// Elements from code. Text is only ever set as text, so that no label or file name becomes markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("p", {class: "faint"}, "text", child)`. Attributes that are null or false are left out. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for drawings. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === false || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** 0.934 as "93.4 %"; whole numbers from 99.95 on, and "below 0.1 %" at the other end. */
export function percent(share, digits = 1) {
  if (share > 0 && share < 0.0005) return "<\u00a00.1\u00a0%";
  return `${(100 * share).toFixed(digits)}\u00a0%`;
}

/** The parts of a data set as people call them. */
export const PARTS = { train: "training", val: "validation", test: "test" };

/** Seconds as people say them. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function announce(text) {
  byId("announcement").textContent = text;
}

/** Arrow keys walk within a group of buttons, of which one is in the order of Tab. */
export function walkable(group) {
  const across = () => getComputedStyle(group).gridTemplateColumns.split(" ").length;
  const buttons = () => [...group.querySelectorAll("button")];
  buttons().forEach((button, index) => (button.tabIndex = index ? -1 : 0));
  group.addEventListener("keydown", (event) => {
    const all = buttons();
    const at = all.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across(), ArrowUp: -across() }[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : at + (step ?? NaN);
    if (at < 0 || !(to in all)) return;
    event.preventDefault();
    all[at].tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
  });
}
