// What stands above the lists: state, plots, cards and transfers.

import { fillFacts } from "./details.js";
import { eighths, states } from "./lists.js";
import { Plot } from "./plot.js";
import { add } from "./table.js";
import { bytes, count, duration, plural, put, putName, rate, time, visible } from "./text.js";

const get = id => document.getElementById(id);
const marks = { ok: "●", degraded: "▲", warming: "◐", draining: "■", away: "✕", unknown: "?" };

export function showState(word) {
  const state = get("state");
  state.dataset.state = word in marks ? word : "unknown";
  put(state.querySelector(".mark"), marks[word] ?? "?");
  put(state.querySelector(".word"), word === "away" ? "no answer" : visible(word));
}

// MARK: Plots

let history = null;
const at = (list, index) => history[list][index];

const plots = {
  rate: new Plot(get("rate-plot"), {
    label: "Transfer rate", format: value => value > 0 ? `${bytes(value)}/s` : "0 B/s", reading: get("rate-aside"), smallestTop: 1e6,
    describe: index => rate(at("receiving_bytes_per_second", index)),
  }),
  slots: new Plot(get("slots-plot"), {
    label: "Slots in use", format: count, reading: get("slots-aside"), smallestTop: 2,
    describe: index => `${count(at("slots_in_use", index))} of ${count(at("slots", index))}`,
  }),
  peers: new Plot(get("peers-plot"), {
    label: "Peers", format: count, reading: get("peers-aside"), smallestTop: 2,
    describe: index => plural(at("peers", index), "peer"),
  }),
};

export function showPlots({ history: latest, load, mesh, models, server }) {
  history = latest;
  const common = { end: latest.end, secondsBetween: latest.seconds_between, serverTime: server.time };
  put(get("rate-figure"), load.receiving_bytes_per_second > 0 ? rate(load.receiving_bytes_per_second) : "0 B/s");
  plots.rate.setRest(`${bytes(load.bytes_received)} received by those here`);
  plots.rate.show({ ...common, values: latest.receiving_bytes_per_second });
  put(get("slots-figure"), `${count(load.slots_in_use)} of ${count(load.slots)}`);
  plots.slots.setRest("dashed: all slots there are");
  plots.slots.show({ ...common, values: latest.slots_in_use, limits: latest.slots });
  put(get("peers-figure"), count(mesh.peers));
  plots.peers.setRest(plural(models.total, "model"));
  plots.peers.show({ ...common, values: latest.peers });
}

// MARK: Cards

export function showCards(overview) {
  const { server, mesh, load, pool } = overview;
  const reasons = server.reasons.length > 0 ? server.reasons : server.state === "ok" ? [] : [`It is ${server.state}.`];
  fillList(get("reasons"), reasons, node => {
    const line = add(node, "bdi");
    return reason => put(line, visible(reason));
  });
  fillFacts(get("server-facts"), [
    ["State", server.state],
    ["Name", server.name || "(no name)"],
    ["Store", server.store + (server.store_waiting > 0 ? `, ${plural(server.store_waiting, "write")} waiting` : "")],
    ["Up for", duration(Math.round((server.time - server.started) / 1000))],
    ["Version", server.version],
    ["Cluster", server.cluster.slice(0, 12)],
  ]);
  fillFacts(get("mesh-facts"), [
    ["View", `${plural(mesh.neighbours, "neighbour")}, ${plural(mesh.channels, "channel")}`],
    ["Records", count(mesh.records)],
    ["Compared", mesh.last_compared ? `${duration(Math.round((server.time - mesh.last_compared) / 1000))} ago` : "not yet"],
    ["Beacons", `each ${duration(mesh.beacon_seconds)}, hold ${duration(mesh.term_seconds)}`],
    ["Clock", clockWords(mesh.clock_offset_milliseconds)],
    ["Revocations", count(mesh.revocations)],
    ["Quarantined", quarantineWords(mesh)],
  ]);
  showZones(load);
  put(get("pool"), poolWords(pool));
}

// What engines published over the public gRPC API: a pool of its own, apart from the mesh.
function poolWords(pool) {
  if (!pool.is_present) {
    return "Not there: this server is built, or was started, without the public gRPC API. Its pool of sources is counted apart from the mesh.";
  }
  const held = pool.workers > 0
    ? `${plural(pool.workers, "worker")} of ${plural(pool.models, "model")}: ${count(pool.ready)} ready, ${count(pool.stale)} stale; ${bytes(pool.bytes)} of metadata`
    : "no worker has published yet";
  const stored = pool.is_stored ? "" : " It is in memory only: Redis doesn't take it.";
  const asked = pool.asks_callers ? "" : " Callers are not asked who they are.";
  return `Port ${pool.port}: ${held}.${stored}${asked}`;
}

function clockWords(offset) {
  if (offset === undefined || offset === null) return "nothing to compare with";
  if (Math.abs(offset) < 50) return "as the neighbours'";
  return `${duration(Math.abs(offset) / 1000)} ${offset > 0 ? "behind" : "ahead of"} the neighbours'`;
}

function quarantineWords(mesh) {
  if (mesh.quarantined === 0) return "none";
  const named = mesh.quarantined_peers.map(peer => peer.slice(0, 12)).join(", ");
  const more = mesh.quarantined - mesh.quarantined_peers.length;
  return `${count(mesh.quarantined)}: ${named}${more > 0 ? ` and ${count(more)} more` : ""}`;
}

function showZones(load) {
  const more = load.zones_total - load.zones.length;
  fillList(get("zones"), more > 0 ? [...load.zones, { more }] : load.zones, node => {
    const name = add(node, "bdi", { className: "name" });
    const members = add(node, "span", { className: "number" });
    const bar = add(node, "span", { className: "bar" });
    bar.setAttribute("aria-hidden", "true");
    const fill = add(bar, "span");
    const words = add(node, "span", { className: "number" });
    return zone => {
      const isRest = zone.more !== undefined;
      bar.hidden = members.hidden = words.hidden = isRest;
      if (isRest) return put(name, `and ${plural(zone.more, "zone")} more`);
      putName(name, zone.zone, "(no zone)");
      put(members, plural(zone.peers, "peer"));
      fill.style.width = `${zone.slots_in_use / Math.max(1, zone.slots) * 100}%`;
      const moving = zone.receiving_bytes_per_second > 0 ? `, ${rate(zone.receiving_bytes_per_second)}` : "";
      put(words, `slots ${count(zone.slots_in_use)}/${count(zone.slots)}${moving}`);
    };
  });
}

// MARK: Transfers

export function showTransfers(transfers, now) {
  put(get("flight-count"), count(transfers.in_flight_total));
  get("flight-none").hidden = transfers.in_flight.length > 0;
  fillList(get("flight"), transfers.in_flight, node => makeTransfer(node, transfer => {
    const speed = transfer.receiving_bytes_per_second > 0 ? `${rate(transfer.receiving_bytes_per_second)}, ` : "";
    return `${speed}for ${duration(Math.round((now - transfer.began) / 1000))}`;
  }));
  put(get("ended-count"), count(transfers.ended_total));
  get("ended-none").hidden = transfers.ended.length > 0;
  fillList(get("ended"), transfers.ended, node => makeTransfer(node, transfer => {
    const took = (transfer.ended - transfer.began) / 1000;
    return `${time(transfer.ended)}, after ${duration(took)}`;
  }));
}

function makeTransfer(node, describe) {
  const line = add(node, "p", { className: "who" });
  const peer = add(line, "bdi", { className: "name" });
  put(add(line, "span", { className: "arrow" }), " ← ");
  const model = add(line, "bdi", { className: "name" });
  const second = add(node, "p", { className: "how" });
  const mark = add(second, "span", { className: "mark" });
  mark.setAttribute("aria-hidden", "true");
  const word = add(second, "span", { className: "word" });
  const showShare = eighths(second);
  const words = add(second, "span", { className: "words" });
  return transfer => {
    putName(peer, transfer.name);
    putName(model, transfer.model);
    line.title = `${peer.textContent} ← ${model.textContent}`;
    const [shape, spoken] = states[transfer.state] ?? ["?", visible(transfer.state)];
    put(mark, shape);
    put(word, spoken);
    showShare(transfer.coverage_eighths);
    put(words, `${bytes(transfer.bytes)}, rank ${transfer.rank}, ${describe(transfer)}`);
  };
}

// Items of a list, used again: `make(node)` builds one and returns how to update it.
const updates = new WeakMap();

function fillList(list, items, make) {
  while (list.children.length > items.length) list.lastElementChild.remove();
  items.forEach((item, index) => {
    let node = list.children[index];
    if (!node) {
      node = add(list, "li");
      updates.set(node, make(node));
    }
    updates.get(node)(item);
  });
}
