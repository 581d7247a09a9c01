// One entity's values as elements, shown as its blueprint says they are meant.

import { element, forReaders, inFull } from "./dom.js";

const empty = (value) => value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length);

/** All that a search looks at. */
export function textOf(part) {
  return [part.identifier, part.title, ...Object.values(part.properties), ...Object.values(part.relations)]
    .filter((value) => !empty(value))
    .map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value)))
    .join("\n");
}

/** The few values that tell most: those with a fixed set of choices. */
export function factsOf(part, blueprint) {
  return Object.entries(blueprint?.properties ?? {})
    .filter(([name, given]) => given.enum && !empty(part.properties[name]))
    .slice(0, 3)
    .map(([name, given]) => chip(given, part.properties[name], name));
}

function chip(given, value, name) {
  const title = given.title ?? name;
  return element("span", { class: "chip", "data-color": given.enumColors?.[value] ?? null, title }, forReaders(`${title}: `), words(value));
}

/** "CHANGES_REQUESTED" → "changes requested". */
const words = (value) => String(value).replaceAll("_", " ").toLowerCase();

export function propertiesOf(part, blueprint) {
  const declared = blueprint?.properties ?? {};
  const names = [...Object.keys(declared), ...Object.keys(part.properties).filter((name) => !Object.hasOwn(declared, name))];
  const rows = names.filter((name) => !empty(part.properties[name])).map((name) => {
    const given = Object.hasOwn(declared, name) ? declared[name] : {};
    return row(`properties/${name}`, given.title ?? name, value(part.properties[name], given, name));
  });
  if (!empty(part.team)) rows.push(row("team", "Team", [part.team].flat().join(", ")));
  return rows;
}

export function relationsOf(part, blueprint, link) {
  const declared = blueprint?.relations ?? {};
  return Object.entries(declared)
    .filter(([name]) => !empty(part.relations[name]))
    .map(([name, relation]) => {
      const links = [part.relations[name]].flat().map((identifier) => link(relation.target, identifier));
      return row(`relations/${name}`, relation.title, links, "links");
    });
}

/** When Port last took a change of it. */
export function writtenAt(part) {
  const moment = new Date(part.updatedAt);
  return Number.isNaN(moment.getTime()) ? [] : [row("updatedAt", "Last written", dated(moment))];
}

const dated = (moment) => element("time", { datetime: moment.toISOString() }, inFull(moment));

function row(name, title, content, kind = null) {
  return element("div", { "data-name": name }, element("dt", {}, title), element("dd", { class: kind }, ...[content].flat()));
}

function value(given, how, name) {
  if (how.enum) return chip(how, given, name);
  if (typeof given === "boolean") return given ? "Yes" : "No";
  if (how.format === "date-time" && !Number.isNaN(Date.parse(given))) {
    return dated(new Date(given));
  }
  if (typeof given === "string" && how.format === "url") return external(given);
  if (typeof given === "object") return Array.isArray(given) && given.every((one) => typeof one !== "object") ? given.join(", ") : element("pre", {}, JSON.stringify(given, null, 2));
  if (typeof given === "string" && given.length > 160) return element("div", { class: "long", tabindex: "0" }, given);
  return String(given);
}

/** A link, where it is one to the web; anything else is only text. */
function external(text) {
  if (!/^https?:\/\//i.test(text)) return text;
  return element("a", { href: text, rel: "noreferrer noopener", target: "_blank" }, text, forReaders(" (opens in a new tab)"));
}
