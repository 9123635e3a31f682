// The three long lists: models, sources, peers.

import { add, Table } from "./table.js";
import { bytes, count, duration, put, putName, rate, short, visible } from "./text.js";

const links = {
  self: ["◆", "self"],
  neighbour: ["●", "neighbour"],
  channel: ["○", "channel"],
  none: ["·", "known"],
};

export const states = {
  live: ["●", "live"],
  partial: ["◐", "partial"],
  loading: ["◔", "loading"],
  wanting: ["○", "wanting"],
  complete: ["✓", "complete"],
  withdrawn: ["–", "withdrawn"],
  gone: ["✕", "peer gone"],
};

// MARK: Cells

const text = (value, className) => cell => {
  if (className) cell.classList.add(className);
  return row => put(cell, value(row));
};

const name = (value, fallback) => cell => {
  const node = add(cell, "bdi");
  cell.classList.add("name");
  return row => {
    putName(node, value(row), fallback);
    cell.title = node.textContent;
  };
};

// A name that leads somewhere.
const nameButton = (value, label, onPress) => cell => {
  const button = add(cell, "button", { type: "button", className: "name" });
  const node = add(button, "bdi");
  let current = null;
  button.addEventListener("click", () => onPress(current));
  return row => {
    current = row;
    putName(node, value(row));
    button.title = `${label}: ${node.textContent}`;
  };
};

const marked = (words, value) => cell => {
  const mark = add(cell, "span", { className: "mark" });
  mark.setAttribute("aria-hidden", "true");
  const word = add(cell, "span");
  return row => {
    const [shape, spoken] = words[value(row)] ?? ["?", visible(value(row))];
    put(mark, shape);
    put(word, ` ${spoken}`);
  };
};

// A bar of eight parts, with its number.
export function eighths(cell) {
  const bar = add(cell, "span", { className: "bar" });
  bar.setAttribute("aria-hidden", "true");
  const fill = add(bar, "span");
  const number = add(cell, "span", { className: "number" });
  return share => {
    fill.style.width = `${Math.min(8, share) / 8 * 100}%`;
    put(number, `${share}/8`);
  };
}

const coverage = cell => {
  const update = eighths(cell);
  return row => update(row.coverage_eighths);
};

const slots = row => `${count(row.slots_in_use)}/${count(row.slots)}`;

// Complete, partial and wanting sources as one bar: solid, striped, empty.
const copies = cell => {
  const bar = add(cell, "span", { className: "bar" });
  bar.setAttribute("aria-hidden", "true");
  const [solid, striped] = [add(bar, "span"), add(bar, "span", { className: "striped" })];
  const words = add(cell, "span", { className: "number" });
  return row => {
    const all = Math.max(1, row.sources);
    solid.style.width = `${row.complete / all * 100}%`;
    striped.style.width = `${row.partial / all * 100}%`;
    const parts = [`${count(row.complete)} complete`];
    if (row.partial > 0) parts.push(`${count(row.partial)} partial`);
    if (row.wanting > 0) parts.push(`${count(row.wanting)} wanting`);
    put(words, parts.join(", "));
    cell.title = row.coverage.map((number, eighth) => `${eighth}/8: ${count(number)}`).join("  ");
  };
};

// MARK: Lists

export function makeModels(root, { onQuery, onOpen }) {
  return new Table(root, {
    name: "models", title: "Models", placeholder: "model, revision, stage", sort: "model", onQuery,
    columns: [
      { label: "Model", sort: "model", className: "wide", fill: nameButton(row => row.model, "Show its sources", onOpen) },
      { label: "Revision", fill: name(row => row.revision, "–") },
      { label: "Stage", className: "medium", fill: name(row => row.variant ? `${row.stage}, ${row.variant}` : row.stage) },
      { label: "Size", sort: "bytes", falling: true, className: "right", fill: text(row => bytes(row.bytes)) },
      { label: "Ranks", className: "right", fill: text(row => count(row.ranks)) },
      { label: "Copies", sort: "copies", falling: true, className: "right", fill: text(row => count(row.copies)) },
      { label: "Sources", sort: "sources", falling: true, className: "wide whole", fill: copies },
      { label: "Slots", sort: "slots", falling: true, className: "right", fill: text(slots) },
    ],
    hint: "Copies: complete sources of the rank that has the fewest. A source that fills up can be read from already.",
  });
}

export function makeSources(root, { onQuery, onOpen }) {
  return new Table(root, {
    name: "sources", title: "Sources", placeholder: "model, peer, state, lane, zone", sort: "model", onQuery,
    columns: [
      { label: "Model", sort: "model", className: "wide", fill: name(row => row.model) },
      { label: "Rank", sort: "rank", className: "right", fill: text(row => count(row.rank)) },
      { label: "Peer", sort: "name", className: "wide", fill: nameButton(row => row.name, "All about this source", onOpen) },
      { label: "State", sort: "state", fill: marked(states, row =>
        row.state === "live" && row.coverage_eighths < 8 ? "partial" : row.state) },
      { label: "Coverage", sort: "coverage", falling: true, fill: coverage },
      { label: "Size", sort: "bytes", falling: true, className: "right", fill: text(row => bytes(row.bytes)) },
      { label: "Lanes", fill: text(row => row.lanes.map(visible).join(", ")) },
      { label: "Slots", sort: "slots", falling: true, className: "right", fill: text(slots) },
    ],
  });
}

export function makePeers(root, { onQuery, onOpen, now }) {
  return new Table(root, {
    name: "peers", title: "Peers", placeholder: "name, zone, id, address, role, link", sort: "name", onQuery,
    columns: [
      { label: "Name", sort: "name", className: "name-column", fill: nameButton(row => row.name, "All about this peer", onOpen) },
      { label: "Peer", fill: text(row => short(row.peer), "code") },
      { label: "Zone", sort: "zone", fill: name(row => row.zone, "–") },
      { label: "Roles", className: "medium", fill: text(row => row.roles.map(visible).join(", ")) },
      { label: "Link", sort: "link", className: "link", fill: marked(links, row => row.link) },
      { label: "Slots", sort: "slots", falling: true, className: "right narrow", fill: text(slots) },
      { label: "Receives", sort: "receiving", falling: true, className: "right speed", fill: text(row => rate(row.receiving_bytes_per_second)) },
      { label: "Serves", sort: "serving", falling: true, className: "right speed", fill: text(row => rate(row.serving_bytes_per_second)) },
      { label: "Received", sort: "received", falling: true, className: "right", fill: text(row => bytes(row.bytes_received)) },
      { label: "Served", sort: "served", falling: true, className: "right", fill: text(row => bytes(row.bytes_served)) },
      { label: "Valid", sort: "valid", className: "right narrow", fill: text(row => duration(Math.round((row.valid_until - now()) / 1000))) },
    ],
    hint: "Speeds are averages between a peer's last two beacons. A peer that is only known is heard of through others; that is "
      + "no fault.",
  });
}
