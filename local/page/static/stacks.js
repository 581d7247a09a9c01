// A card per stack: its queues, the messages that were given up, and its resyncs.

import { at, element, flash, time } from "./dom.js";

const cards = new Map();
const titles = new Map();

/** The stack's title, for those that only know its name. */
export const titleOf = (name) => titles.get(name) ?? name;

/** The place in a stack's card for its resyncs, which is left alone when the rest of the card changes. */
export const placeForResyncs = (name) => cards.get(`stack/${name}`)?.querySelector(".resync");

/** "Cloud", "Data Center"; nothing where there is only one stack to speak of. */
export const shortTitleOf = (name) => (titles.size > 1 ? titleOf(name).replace(/^Bitbucket /, "") : "");

export function show(key, part, { before }) {
  if (!part) {
    cards.get(key)?.remove();
    cards.delete(key);
    return;
  }
  titles.set(part.name, part.title);
  let card = cards.get(key);
  if (!card) {
    card = element("article", { class: "stack" }, element("div", { class: "now" }), element("section", { class: "resync", hidden: true }));
    cards.set(key, card);
    const home = document.getElementById("queues");
    const after = [...cards.values()].find((other) => Number(other.dataset.order) > part.order);
    card.dataset.order = part.order;
    home.insertBefore(card, after ?? null);
  }
  const heading = `stack-${part.order}`;
  card.setAttribute("aria-labelledby", heading);
  card.querySelector(".now").replaceChildren(
    element("header", {}, element("h2", { id: heading }, part.title, element("span", { class: "caption" }, " messages waiting")), element("code", {}, part.url)),
    queues(part),
    ...(part.dead ? [letters(part)] : []),
  );
  if (before && before.dead < part.dead) flash(card);
}

function queues(part) {
  const tiles = part.queues.map((queue) => tile(queue.name, queue.waiting, queue.waiting ? "busy" : "idle"));
  return element(
    "dl",
    { class: "queues", "aria-label": "Messages in each queue" },
    ...tiles,
    tile("Dead letters", part.dead, part.dead ? "failed" : "idle"),
  );
}

function tile(name, count, state) {
  return element("div", { "data-state": state }, element("dt", {}, name), element("dd", {}, String(count)));
}

function letters(part) {
  const more = part.dead - part.letters.length;
  return element(
    "section",
    { class: "letters" },
    element("h3", {}, "Dead letters"),
    element("ul", {}, ...part.letters.map(letter)),
    more > 0 ? element("p", { class: "note" }, `and ${more} more`) : null,
  );
}

function letter(one) {
  const facts = [
    one.sent === null ? null : element("span", {}, "sent ", time(at(one.sent))),
    one.receives === null ? null : element("span", {}, `tried ${one.receives} ${one.receives === 1 ? "time" : "times"}`),
    element("code", {}, one.delivery ?? one.id),
  ];
  return element(
    "li",
    {},
    element("p", { class: "what" }, element("code", {}, one.event ?? "message"), ` in ${one.queue}`),
    element("p", { class: "reason" }, one.reason),
    element("p", { class: "facts" }, ...facts.filter(Boolean)),
  );
}
