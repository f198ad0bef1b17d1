// The first tab: pictures in, names out, and where the network looked.

import { showActivations } from "./activations.js";
import { askBlob, askJson } from "./api.js";
import { announce, byId, el, percent } from "./dom.js";

const TOGETHER = 2; // pictures that are asked about at the same time
const TOPK = 5;
const waiting = [];
let busy = 0;
let note = "Choose a class to see where the network looked for it.";

export function start(network) {
  if (network.temperature) note += ` The probabilities are calibrated (temperature ${network.temperature.toFixed(2)}).`;
  byId("camera").parentElement.hidden = !navigator.maxTouchPoints; // a desk has no camera to hold
  for (const id of ["choose", "camera"]) {
    byId(id).addEventListener("change", (event) => {
      take(event.target.files);
      event.target.value = ""; // the same picture may be chosen again
    });
  }
  document.addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));
  let depth = 0; // children fire these events as well
  document.addEventListener("dragenter", () => document.body.classList.toggle("dragging", ++depth > 0));
  document.addEventListener("dragleave", () => document.body.classList.toggle("dragging", --depth > 0));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", (depth = 0) > 0);
    take(event.dataTransfer?.files ?? []);
  });
}

function take(files) {
  const all = [...files];
  if (!all.length) return;
  byId("tab-classify").click();
  byId("drop").classList.add("small");
  const cards = all.map((file) => new Card(file));
  byId("results").prepend(...cards.map((card) => card.element));
  if (all.length === 1) cards[0].inside.open = true;
  waiting.push(...cards);
  announce(all.length > 1 ? `${all.length} pictures are being looked at` : `${all[0].name} is being looked at`);
  work();
}

function work() {
  while (busy < TOGETHER && waiting.length) {
    busy += 1;
    waiting
      .shift()
      .answer()
      .finally(() => {
        busy -= 1;
        work();
      });
  }
}

/** One picture and all that is said about it. */
class Card {
  constructor(file) {
    this.file = file;
    this.heats = new Map();
    this.image = el("img", { alt: `The picture ${file.name}` });
    this.heat = el("img", { class: "heat", alt: "", hidden: true });
    this.strength = el("input", { type: "range", min: 0, max: 100, value: 85 });
    this.strength.addEventListener("input", () => this.lay());
    this.slider = el("label", { class: "slider", hidden: true }, el("span", {}, "Heat map"), this.strength);
    this.title = el("h2", {}, "…");
    this.list = el("ol", { class: "bars" });
    this.note = el("p", { class: "faint note" });
    this.inside = el("details", { class: "inside", hidden: true }, el("summary", {}, "What the convolutions made of it"));
    this.inside.addEventListener("toggle", () => this.lookInside());
    this.element = el(
      "article",
      { class: "card result", "aria-busy": "true" },
      el("div", { class: "picture" }, el("div", { class: "frame" }, this.image, this.heat), this.slider),
      el("div", { class: "answer" }, el("p", { class: "faint file" }, file.name || "pasted picture"), this.title, this.list, this.note),
      this.inside,
    );
    this.image.addEventListener("error", () => this.askForPicture(), { once: true });
    this.image.src = URL.createObjectURL(file);
  }

  async answer() {
    try {
      const found = await askJson(`/predict?topk=${TOPK}`, { method: "POST", body: this.file });
      this.show(found.predictions ?? found);
      await this.showHeat(this.best.label, this.list.querySelector("button"));
    } catch (error) {
      this.fail(error);
    }
  }

  show(predictions) {
    [this.best] = predictions;
    this.title.replaceChildren(this.best.label, el("span", { class: "score" }, percent(this.best.score)));
    this.list.replaceChildren(...predictions.map((each) => el("li", {}, this.bar(each))));
    this.note.textContent = note;
    this.inside.hidden = false;
    this.element.removeAttribute("aria-busy");
    announce(`${this.file.name}: ${this.best.label}, ${percent(this.best.score)}`);
    this.lookInside();
  }

  bar({ label, score }) {
    const filled = el("span", { class: "filled" });
    filled.style.width = `${100 * score}%`;
    const button = el(
      "button",
      { class: "bar", "aria-pressed": "false" },
      el("span", { class: "label" }, label),
      el("span", { class: "value" }, percent(score)),
      el("span", { class: "track", "aria-hidden": "true" }, filled),
    );
    button.addEventListener("click", () => this.showHeat(label, button).catch((error) => (this.note.textContent = error.message)));
    return button;
  }

  async showHeat(label, button) {
    for (const other of this.list.querySelectorAll("button")) other.ariaPressed = String(other === button);
    this.wanted = label;
    if (!this.heats.has(label)) {
      const path = `/inside/heat?label=${encodeURIComponent(label)}`;
      this.heats.set(label, URL.createObjectURL(await askBlob(path, { method: "POST", body: this.file })));
    }
    if (this.wanted !== label) return; // another one was chosen meanwhile
    this.heat.src = this.heats.get(label);
    await this.heat.decode().catch(() => {});
    this.heat.alt = `Heat map: where the network saw what speaks for ${label}`;
    this.heat.hidden = this.slider.hidden = false;
    this.lay();
  }

  lay() {
    this.heat.style.opacity = this.strength.value / 100;
  }

  lookInside() {
    if (!this.inside.open || !this.best || this.looked) return;
    this.looked = true;
    const wait = el("p", { class: "faint" }, "looking …");
    this.inside.append(wait);
    askJson("/inside/activations", { method: "POST", body: this.file })
      .then((found) => showActivations(this.inside, found, this.image))
      .then(() => wait.remove())
      .catch((error) => (wait.textContent = error.message));
  }

  /** For formats that this browser does not know. */
  async askForPicture() {
    try {
      this.image.src = URL.createObjectURL(await askBlob("/inside/picture", { method: "POST", body: this.file }));
    } catch {
      this.image.hidden = true; // what is wrong with it is said beside it
    }
  }

  fail(error) {
    this.element.removeAttribute("aria-busy");
    this.element.classList.add("failed");
    if (this.best) this.note.textContent = error.message;
    else {
      this.title.textContent = "No answer";
      this.note.textContent = error.message;
      announce(`${this.file.name}: ${error.message}`);
    }
  }
}
