// Puts the page together: the feed gives looks, each part shows its share.

import { openPeer, openSource } from "./details.js";
import { Feed } from "./feed.js";
import { makeModels, makePeers, makeSources } from "./lists.js";
import { showCards, showPlots, showState, showTransfers } from "./summary.js";
import { duration, put, time, visible } from "./text.js";

const get = id => document.getElementById(id);

// The server's clock at the latest look, milliseconds, and when that came by this page's steady clock.
let look = { time: 0, came: 0 };
const now = () => look.time + (performance.now() - look.came);

let away = null;

const feed = new Feed({
  parameters: () => {
    const parameters = new URLSearchParams();
    for (const list of [models, sources, peers]) list.addTo(parameters);
    return parameters;
  },
  onLook: overview => {
    look = { time: overview.server.time, came: performance.now() };
    away = null;
    // Ages are told from here on; shown at once, so that nothing moves later.
    show(overview);
    get("main").hidden = false;
    document.body.classList.remove("stale");
    showContact(overview.server);
  },
  onAway: (since, reason) => {
    away = { since, reason };
    document.body.classList.add("stale");
    showState("away");
    showAway();
  },
});

const onQuery = () => feed.ask();
const models = makeModels(get("models"), { onQuery, onOpen: model => sources.search(model.model) });
const sources = makeSources(get("sources"), { onQuery, onOpen: openSource });
const peers = makePeers(get("peers"), { onQuery, onOpen: openPeer, now });

function show(overview) {
  showState(overview.server.state);
  showPlots(overview);
  showCards(overview);
  showTransfers(overview.transfers, now());
  models.show(overview.models);
  sources.show(overview.sources);
  peers.show(overview.peers);
}

function showContact(server) {
  put(get("contact"), `live from ${visible(server.name || server.peer.slice(0, 12))}`);
  document.title = server.state === "ok" ? "ModelExpress mesh" : `${visible(server.state)}: ModelExpress mesh`;
}

function showAway() {
  if (!away) return;
  const seconds = Math.round((Date.now() - away.since) / 1000);
  put(get("contact"), `No answer since ${time(away.since)} (${duration(seconds)}): ${visible(away.reason)}. `
    + "What is shown is from then; trying again.");
  document.title = "No answer: ModelExpress mesh";
}

setInterval(showAway, 1000);
feed.ask();
