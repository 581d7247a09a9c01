// Deliveries, newest first: what came, what became of it, why, and how long it took.

import { at, duration, element, flash, time } from "./dom.js";
import { shortTitleOf, titleOf } from "./stacks.js";

const list = document.getElementById("delivery-list");
const only = document.getElementById("only");
const none = document.getElementById("no-deliveries");
const items = new Map();

const needsALook = (part) => part.state === "problem" || part.state === "failed";

export function show(key, part, { quiet }) {
  let item = items.get(key);
  if (!part) {
    item?.node.remove();
    items.delete(key);
    return;
  }
  if (!item) {
    item = make();
    items.set(key, item);
  }
  item.part = part;
  fill(item);
  place(item);
  if (!quiet) flash(item.node);
}

/** After a round of changes: which are to be seen. */
export function settle() {
  let seen = 0;
  for (const { node, part } of items.values()) {
    node.hidden = only.checked && !needsALook(part);
    seen += node.hidden ? 0 : 1;
  }
  none.hidden = seen > 0;
  none.textContent = items.size ? "None of them needs a look." : "None yet.";
}

only.addEventListener("change", settle);

function make() {
  const summary = element("summary");
  const body = element("div", { class: "more" });
  const node = element("li", {}, element("details", {}, summary, body));
  return { node, summary, body, part: null };
}

function place(item) {
  const received = item.part.received ?? 0;
  if (item.node.isConnected && item.received === received) return;
  item.received = received;
  item.node.dataset.received = received;
  const after = [...list.children].find((other) => other !== item.node && Number(other.dataset.received) < received);
  list.insertBefore(item.node, after ?? null);
}

function fill({ summary, body, part }) {
  summary.replaceChildren(
    element(
      "span",
      { class: "line" },
      part.received === null ? element("span", { class: "when" }, "earlier") : element("span", { class: "when" }, time(at(part.received))),
      element("code", { class: "event" }, part.event || "no event key"),
      element("span", { class: "from" }, shortTitleOf(part.stack)),
      element("span", { class: "took" }, part.took === null ? "" : duration(part.took)),
    ),
    element(
      "span",
      { class: "became" },
      element("span", { class: "outcome", "data-state": part.state }, part.label),
      " ",
      element("span", { class: "reason" }, part.reason),
      part.again === null ? null : element("span", { class: "reason" }, "; next try at ", time(at(part.again))),
    ),
  );
  const facts = [
    ["Stack", titleOf(part.stack)],
    ["Delivery", element("code", {}, part.id || "names no id")],
    ["Sent to", element("code", {}, part.path || "unknown")],
    ["Answered", part.status === null ? "unknown" : String(part.status)],
    ["Received", part.attempts > 1 ? `${part.attempts} times` : "once"],
    ...(part.failures ? [["Failed tries", String(part.failures)]] : []),
  ];
  body.replaceChildren(
    element("dl", { class: "facts" }, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
    part.objects.length ? element("ul", { class: "objects" }, ...part.objects.map(object)) : "",
  );
}

function object(one) {
  const problems = one.problems.map((problem) => element("li", {}, problem));
  return element("li", {}, `${one.name}: ${one.result}`, problems.length ? element("ul", {}, ...problems) : null);
}
