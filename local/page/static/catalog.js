// The catalog: entities by blueprint, each with its properties and its relations in both directions.

import { factsOf, propertiesOf, relationsOf, textOf, writtenAt } from "./entity.js";
import { element, flash, forReaders } from "./dom.js";

const AT_ONCE = 100; // Entities of one blueprint that are shown without being asked for.

const home = document.getElementById("blueprints");
const search = document.getElementById("search");
const found = document.getElementById("found");
const blueprints = new Map(); // identifier → { part, node, list, count, more, limit }
const entities = new Map(); // "blueprint/identifier" → { part, node, summary, body, text }
let here = true;
let stale = true;

export function showWhere(part) {
  here = part?.here ?? true;
  document.getElementById("elsewhere").hidden = here;
  search.closest("label").hidden = !here;
}

export function showBlueprint(key, part) {
  const identifier = key.slice("blueprint/".length);
  const group = blueprints.get(identifier) ?? makeGroup(identifier);
  if (!part) {
    group.node.remove();
    blueprints.delete(identifier);
    return;
  }
  group.part = part;
  group.title.textContent = part.title;
  group.node.dataset.order = part.order;
  const after = [...home.children].find((other) => Number(other.dataset.order) > part.order);
  home.insertBefore(group.node, after ?? null);
  stale = true;
}

export function showEntity(key, part, { quiet, before }) {
  const address = key.slice("entity/".length);
  stale = true;
  if (!part) {
    leave(address);
    return;
  }
  const item = entities.get(address) ?? makeEntity(address, part);
  item.part = part;
  item.text = textOf(part).toLowerCase();
  fill(item, before);
  if (!quiet) flash(item.node);
}

/** After a round of changes: counts, what the search leaves, and who refers to whom. */
export function settle() {
  if (!stale) return;
  stale = false;
  filter();
  for (const item of entities.values()) if (item.node.open) fillBody(item);
  followAddress();
}

// --- groups and rows -------------------------------------------------------------------------------------------------

function makeGroup(identifier) {
  const title = element("span");
  const count = element("span", { class: "count" });
  const list = element("div", { class: "entities" });
  const more = element("button", { type: "button", class: "show-more", hidden: true });
  const node = element("section", { class: "blueprint" }, element("h3", {}, title, " ", count), list, more);
  const group = { part: null, node, title, list, count, more, limit: AT_ONCE };
  more.addEventListener("click", () => {
    group.limit += AT_ONCE;
    filter();
  });
  blueprints.set(identifier, group);
  return group;
}

function makeEntity(address, part) {
  const summary = element("summary");
  const body = element("div", { class: "more" });
  const node = element("details", { class: "entity", id: `entity/${address}` }, summary, body);
  const item = { part, node, summary, body, text: "" };
  node.addEventListener("toggle", () => node.open && fillBody(item));
  entities.set(address, item);
  const { list } = blueprints.get(part.blueprint) ?? makeGroup(part.blueprint);
  // Most come in order; looking for the place each time would make thousands of them slow.
  const last = list.lastElementChild;
  const after = !last || last.id < node.id ? null : [...list.children].find((other) => other.id > node.id);
  list.insertBefore(node, after ?? null);
  return item;
}

/** Shown as gone for a moment, so that one sees what went. */
function leave(address) {
  const item = entities.get(address);
  if (!item) return;
  entities.delete(address);
  item.node.removeAttribute("id");
  item.node.open = false;
  item.node.classList.add("gone");
  item.summary.append(element("span", { class: "gone-word" }, "deleted"));
  setTimeout(() => item.node.remove(), 4000);
}

function fill(item, before) {
  const { part, summary } = item;
  const blueprint = blueprints.get(part.blueprint)?.part;
  const title = part.title || part.identifier;
  summary.replaceChildren(
    element(
      "span",
      { class: "name" },
      element("span", { class: part.title ? "title" : "title untitled" }, title),
      part.title && part.title !== part.identifier ? element("code", {}, part.identifier) : null,
    ),
    element("span", { class: "chips" }, ...factsOf(part, blueprint)),
  );
  item.changed = before ? changedNames(before, part) : new Set();
}

function changedNames(before, after) {
  const names = new Set();
  for (const group of ["properties", "relations"]) {
    for (const name of new Set([...Object.keys(before[group]), ...Object.keys(after[group])])) {
      if (JSON.stringify(before[group][name]) !== JSON.stringify(after[group][name])) names.add(`${group}/${name}`);
    }
  }
  return names;
}

function fillBody(item) {
  const blueprint = blueprints.get(item.part.blueprint)?.part;
  const rows = [...propertiesOf(item.part, blueprint), ...relationsOf(item.part, blueprint, link), ...referrers(item), ...writtenAt(item.part)];
  // Written anew only when it differs, so that nobody loses the place while reading.
  const fresh = element("dl", { class: "properties" }, ...rows);
  if (item.body.firstElementChild?.isEqualNode(fresh)) return;
  item.body.replaceChildren(fresh);
  for (const row of fresh.children) if (item.changed?.has(row.dataset.name)) flash(row);
  item.changed = new Set();
}

// --- relations -------------------------------------------------------------------------------------------------------

function link(blueprint, identifier) {
  const address = `${blueprint}/${identifier}`;
  const target = entities.get(address);
  const title = target?.part.title || identifier;
  if (!target) return element("span", { class: "missing" }, identifier, forReaders(" (not in the catalog)"));
  return element("a", { href: `#entity/${encodeURIComponent(address)}` }, title);
}

/** Those that relate to this one, by blueprint. */
function referrers({ part }) {
  const rows = [];
  for (const [identifier, group] of blueprints) {
    const names = Object.entries(group.part?.relations ?? {}).filter(([, relation]) => relation.target === part.blueprint);
    for (const [name, relation] of names) {
      const links = [];
      for (const other of entities.values()) {
        if (other.part.blueprint !== identifier) continue;
        if ([other.part.relations[name]].flat().includes(part.identifier)) links.push(link(identifier, other.part.identifier));
      }
      if (!links.length) continue;
      const shown = links.slice(0, 20);
      if (links.length > shown.length) shown.push(element("span", {}, `and ${links.length - shown.length} more`));
      rows.push(
        element(
          "div",
          { class: "incoming" },
          element("dt", {}, `${group.part.title} `, element("span", { class: "by" }, `as ${relation.title.toLowerCase()} of`)),
          element("dd", { class: "links" }, ...shown),
        ),
      );
    }
  }
  return rows;
}

/** `#entity/…` in the address: open it, and go there. */
function followAddress() {
  if (!location.hash.startsWith("#entity/") || followed === location.hash) return;
  const item = entities.get(decodeURIComponent(location.hash.slice("#entity/".length)));
  if (!item) return;
  followed = location.hash;
  if (search.value) {
    search.value = "";
    filter();
  }
  item.node.hidden = false;
  item.node.open = true;
  item.node.scrollIntoView({ block: "center" });
  item.summary.focus({ preventScroll: true });
  flash(item.node, "found-it");
}

let followed = "";
addEventListener("hashchange", () => {
  followed = "";
  followAddress();
});
// The same link again is no change of the address, and still a wish to go there.
document.addEventListener("click", (event) => {
  const target = event.target.closest?.("a[href^='#entity/']");
  if (target && target.getAttribute("href") === location.hash) {
    followed = "";
    followAddress();
  }
});

// --- search ----------------------------------------------------------------------------------------------------------

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let total = 0;
  for (const group of blueprints.values()) {
    const all = [...group.list.children].filter((node) => !node.classList.contains("gone"));
    let matching = 0;
    for (const node of all) {
      const item = entities.get(node.id.slice("entity/".length));
      const matches = words.every((word) => item.text.includes(word));
      matching += matches ? 1 : 0;
      node.hidden = !matches || matching > group.limit;
    }
    total += matching;
    group.count.textContent = words.length ? `${matching} of ${all.length}` : String(all.length);
    group.more.hidden = matching <= group.limit;
    group.more.textContent = `Show ${Math.min(AT_ONCE, matching - group.limit)} more of ${matching - group.limit}`;
    group.node.hidden = words.length ? matching === 0 : group.list.children.length === 0;
  }
  found.textContent = !words.length
    ? here && !entities.size ? "Nothing is in the catalog yet." : ""
    : total === 0 ? "Nothing in the catalog matches." : `${total} ${total === 1 ? "entity matches" : "entities match"}.`;
}

search.addEventListener("input", filter);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.closest("input, textarea")) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape" && event.target === search) {
    search.value = "";
    filter();
  }
});
