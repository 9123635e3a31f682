// Everything about one row, in a dialog: full ids, to copy into commands.

import { add } from "./table.js";
import { bytes, put, putName, rate, time, visible } from "./text.js";

const dialog = document.getElementById("details");
const title = document.getElementById("details-title");
const facts = document.getElementById("details-facts");

function open(name, entries) {
  title.replaceChildren();
  putName(add(title, "bdi"), name);
  fillFacts(facts, entries);
  dialog.showModal();
}

// Shows pairs of a term and what it is; uses what is there already.
export function fillFacts(list, entries) {
  while (list.children.length > entries.length) list.lastElementChild.remove();
  entries.forEach(([term, value], index) => {
    const pair = list.children[index] ?? makePair(list);
    put(pair.firstElementChild, term);
    put(pair.lastElementChild.firstElementChild, visible(value));
  });
}

function makePair(list) {
  const pair = add(list, "div");
  add(pair, "dt");
  add(add(pair, "dd"), "bdi");
  return pair;
}

export function openPeer(peer) {
  open(peer.name, [
    ["Peer", peer.peer],
    ["Token", peer.token],
    ["Address", `${peer.address} (bootstrap port ${peer.bootstrap_port})`],
    ["Zone", peer.zone || "none"],
    ["Roles", peer.roles.join(", ")],
    ["Link from the server", peer.link === "none" ? "none: known through others" : peer.link],
    ["Slots in use", `${peer.slots_in_use} of ${peer.slots}`],
    ["Receives", `${rate(peer.receiving_bytes_per_second)}, ${bytes(peer.bytes_received)} since its start`],
    ["Serves", `${rate(peer.serving_bytes_per_second)}, ${bytes(peer.bytes_served)} since its start`],
    ["Valid until", `${time(peer.valid_until)}, unless renewed`],
  ]);
}

export function openSource(source) {
  open(source.model, [
    ["Revision", source.revision],
    ["Stage", `${source.stage}, rank ${source.rank}`],
    ["Peer", `${source.name || "(no name)"} ${source.peer}`],
    ["Manifest", source.manifest || "none yet"],
    ["Introduction", source.introduction || "none yet"],
    ["State", `${source.state}, ${source.coverage_eighths} of 8 eighths`],
    ["Size", bytes(source.bytes)],
    ["Lanes", source.lanes.join(", ") || "none"],
    ["Slots in use", `${source.slots_in_use} of ${source.slots}, for all that the peer serves`],
  ]);
}
