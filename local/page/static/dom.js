// Making elements and telling times. Text goes in as text only: nothing here ever parses markup.

/** An element with attributes, and children that are elements or text; null children are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Text for those who hear the page. */
export const forReaders = (text) => element("span", { class: "for-readers" }, text);

/** Mark as just changed, for as long as it takes to be seen. */
export function flash(node, name = "changed") {
  node.classList.remove(name);
  void node.offsetWidth; // Else an animation that is running would not begin again.
  node.classList.add(name);
  setTimeout(() => node.classList.remove(name), 4000);
}

let today = new Date();

/** The machine's day, which may not be this browser's. */
export function setToday(seconds) {
  today = new Date(seconds * 1000);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A time of day, with its date where that is not today's. `moment`: a Date. */
export function time(moment) {
  const same = moment.toDateString() === today.toDateString();
  const text = same ? clock.format(moment) : `${day.format(moment)}, ${clock.format(moment)}`;
  return element("time", { datetime: moment.toISOString(), title: whole.format(moment) }, text);
}

/** Epoch seconds → Date. */
export const at = (seconds) => new Date(seconds * 1000);

/** Date and time in full. */
export const inFull = (moment) => whole.format(moment);

/** "152 ms", "1.6 s", "12 min", "3 h 5 min". */
export function duration(seconds) {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
