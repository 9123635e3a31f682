// Texts: how names from the mesh are shown, and how quantities are written.

// What a peer calls itself may hold anything. Characters without a shape of their own, and those that turn the direction of
// what follows, are written out; everything else stays.
const shapeless = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f]/gu;

// Longest name that is put into the document, characters; the rest is counted.
const longestName = 1200;

export function visible(text) {
  const all = String(text);
  const characters = all.length > longestName ? `${all.slice(0, longestName)}… (${all.length} characters)` : all;
  return characters.replace(shapeless, character =>
    `\\u{${character.codePointAt(0).toString(16)}}`);
}

// Changes the document only where something changed, so that selections and screen readers are left in peace.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function putName(node, name, fallback = "(no name)") {
  put(node, name === "" ? fallback : visible(name));
  node.classList.toggle("nameless", name === "");
}

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function count(number) {
  return whole.format(number);
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function bytes(number) {
  if (number < 1000) return `${count(number)} B`;
  const units = ["kB", "MB", "GB", "TB", "PB", "EB"];
  let value = number;
  let unit = -1;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.5 && unit < units.length - 1);
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[unit]}`;
}

export function rate(bytesPerSecond) {
  return bytesPerSecond > 0 ? `${bytes(bytesPerSecond)}/s` : "–";
}

// Two units at most: 4 s, 3 min 20 s, 5 h 2 min, 6 d 1 h.
export function duration(seconds) {
  const left = Math.max(0, seconds);
  if (left < 10 && left % 1 !== 0) return `${left.toFixed(1)} s`;
  const total = Math.round(left);
  const steps = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = steps.findIndex(([, size]) => total >= size);
  if (first === -1) return "0 s";
  const [unit, size] = steps[first];
  const next = steps[first + 1];
  const rest = next ? Math.floor((total % size) / next[1]) : 0;
  return rest > 0 ? `${Math.floor(total / size)} ${unit} ${rest} ${next[0]}` : `${Math.floor(total / size)} ${unit}`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function time(milliseconds) {
  return clock.format(new Date(milliseconds));
}

// The first digits of an id, as the command line shows them.
export function short(id) {
  return id.slice(0, 12);
}
