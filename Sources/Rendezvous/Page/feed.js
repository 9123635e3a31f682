// Asks the server for the overview, again and again, and says when it does not answer.

// Milliseconds between two looks, for an answer to come, and until a server that is away is asked again (at first, at most).
const period = 2000;
const patience = 8000;
const firstRetry = 1000;
const longestRetry = 5000;

export class Feed {
  // `parameters()` gives the query; `onLook(overview)` gets each answer; `onAway(since, reason)` is told of each failure.
  constructor({ parameters, onLook, onAway }) {
    this.parameters = parameters;
    this.onLook = onLook;
    this.onAway = onAway;
    this.lastAnswer = Date.now();
    this.retry = firstRetry;
    this.timer = 0;
    this.request = null;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.ask();
    });
  }

  // Asks now, in place of whatever was asked before.
  async ask() {
    clearTimeout(this.timer);
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    const limit = setTimeout(() => request.abort(new Error(`no answer in ${patience / 1000} s`)), patience);
    let wait = period;
    try {
      const overview = await this.fetchOverview(request.signal);
      if (this.request !== request) return;
      this.lastAnswer = Date.now();
      this.retry = firstRetry;
      this.onLook(overview);
    } catch (error) {
      if (this.request !== request) return;
      wait = this.retry;
      this.retry = Math.min(this.retry * 1.5, longestRetry);
      this.onAway(this.lastAnswer, reasonOf(error, request.signal));
    } finally {
      clearTimeout(limit);
      // Nobody looks at a hidden page; it asks at once when it is looked at again.
      if (this.request === request && !document.hidden) this.timer = setTimeout(() => this.ask(), wait);
    }
  }

  async fetchOverview(signal) {
    const answer = await fetch(`api/v1/overview?${this.parameters()}`, { signal, cache: "no-cache" });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    return await answer.json();
  }
}

function reasonOf(error, signal) {
  if (signal.aborted) return signal.reason.message;
  return error instanceof TypeError ? "it can't be reached" : error.message;
}
