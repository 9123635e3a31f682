// A list of which the server gives one page at a time: filter, order and pages are asked for, and rows are used again.

import { count, put } from "./text.js";

const typingPause = 200;
// Room is kept in steps of so many rows, and never given back, so that what stands below keeps its place.
const wideStep = 5;
const narrow = matchMedia("(max-width: 700px)");

export class Table {
  // `columns`: { key, label, sort, fill(cell) -> update(row) }. `onQuery()` is called when another part is wanted.
  constructor(root, { name, title, hint, placeholder, columns, sort, onQuery }) {
    Object.assign(this, { root, name, columns, onQuery });
    this.query = { filter: "", sort, offset: 0 };
    this.rows = [];
    this.page = null;
    this.reserved = 0;
    this.build(title, hint, placeholder);
    narrow.addEventListener("change", () => this.ask({ offset: 0 }));
  }

  get limit() {
    return narrow.matches ? 10 : 15;
  }

  addTo(parameters) {
    if (this.query.filter) parameters.set(`${this.name}_filter`, this.query.filter);
    parameters.set(`${this.name}_sort`, this.query.sort);
    parameters.set(`${this.name}_offset`, this.query.offset);
    parameters.set(`${this.name}_limit`, this.limit);
  }

  ask(change) {
    Object.assign(this.query, change);
    this.showOrder();
    this.onQuery();
  }

  // Shows what matches `text`, and leads there.
  search(text) {
    this.filter.value = text;
    this.ask({ filter: text, offset: 0 });
    this.heading.scrollIntoView();
    this.filter.focus({ preventScroll: true });
  }

  // MARK: Building

  build(title, hint, placeholder) {
    const id = `${this.name}-title`;
    this.heading = add(this.root, "h2", { id });
    put(add(this.heading, "span"), title);
    this.total = add(this.heading, "span", { className: "count" });
    this.root.setAttribute("aria-labelledby", id);
    const tools = add(this.root, "div", { className: "tools" });
    this.buildFilter(tools, title, placeholder);
    this.buildOrder(tools);
    this.frame = add(this.root, "div", { className: `rows rows-${this.name}` });
    this.buildTable(id);
    this.none = add(this.frame, "p", { className: "quiet none" });
    this.buildPager();
    if (hint) put(add(this.root, "p", { className: "hint" }), hint);
    this.showOrder();
  }

  buildFilter(tools, title, placeholder) {
    const label = add(tools, "label", { className: "filter" });
    put(add(label, "span", { className: "unseen" }), `Filter ${title.toLowerCase()}`);
    this.filter = add(label, "input", { type: "search", placeholder, maxLength: 200, autocomplete: "off", spellcheck: false });
    let pause = 0;
    this.filter.addEventListener("input", () => {
      clearTimeout(pause);
      pause = setTimeout(() => this.ask({ filter: this.filter.value, offset: 0 }), typingPause);
    });
  }

  // On a phone rows are cards without a head, so the order is chosen here.
  buildOrder(tools) {
    const label = add(tools, "label", { className: "order" });
    put(add(label, "span"), "Sort");
    this.order = add(label, "select");
    for (const column of this.columns.filter(column => column.sort)) {
      put(add(this.order, "option", { value: column.sort }), `${column.label} ↑`);
      put(add(this.order, "option", { value: `-${column.sort}` }), `${column.label} ↓`);
    }
    this.order.addEventListener("change", () => this.ask({ sort: this.order.value, offset: 0 }));
  }

  buildTable(labelledBy) {
    // Cards are no table to a browser, hence the roles.
    this.table = add(this.frame, "table", { role: "table" });
    this.table.setAttribute("aria-labelledby", labelledBy);
    const head = add(add(this.table, "thead", { role: "rowgroup" }), "tr", { role: "row" });
    this.heads = this.columns.map(column => {
      const cell = add(head, "th", { role: "columnheader", scope: "col", className: column.className ?? "" });
      if (!column.sort) {
        put(cell, column.label);
        return { cell, column };
      }
      const button = add(cell, "button", { type: "button" });
      put(add(button, "span"), column.label);
      const mark = add(button, "span", { className: "mark" });
      mark.setAttribute("aria-hidden", "true");
      button.addEventListener("click", () => this.ask({ sort: this.nextSort(column), offset: 0 }));
      return { cell, column, mark };
    });
    this.body = add(this.table, "tbody", { role: "rowgroup" });
  }

  buildPager() {
    const pager = add(this.root, "nav", { className: "pager" });
    pager.setAttribute("aria-label", `Pages of ${this.name}`);
    const button = (text, label, target) => {
      const made = add(pager, "button", { type: "button", disabled: true });
      put(made, text);
      made.setAttribute("aria-label", label);
      made.addEventListener("click", () => this.ask({ offset: target() }));
      return made;
    };
    const last = () => Math.floor(Math.max(0, this.page.matching - 1) / this.limit) * this.limit;
    this.first = button("«", "First page", () => 0);
    this.previous = button("‹", "Previous page", () => Math.max(0, this.page.offset - this.limit));
    this.position = add(pager, "span", { className: "position" });
    this.next = button("›", "Next page", () => this.page.offset + this.limit);
    this.last = button("»", "Last page", last);
  }

  nextSort(column) {
    if (this.query.sort === column.sort) return `-${column.sort}`;
    if (this.query.sort === `-${column.sort}`) return column.sort;
    return column.falling ? `-${column.sort}` : column.sort;
  }

  showOrder() {
    const { sort } = this.query;
    this.order.value = sort;
    for (const { cell, column, mark } of this.heads) {
      if (!mark) continue;
      const direction = sort === column.sort ? "ascending" : sort === `-${column.sort}` ? "descending" : "none";
      cell.setAttribute("aria-sort", direction);
      put(mark, { ascending: "▲", descending: "▼", none: "" }[direction]);
    }
  }

  // MARK: Showing

  show(page) {
    this.page = page;
    this.query.offset = page.offset;
    while (this.rows.length < page.rows.length) this.rows.push(this.makeRow());
    this.rows.forEach((row, index) => {
      const data = page.rows[index];
      row.element.hidden = data === undefined;
      if (data !== undefined) for (const update of row.updates) update(data);
    });
    this.reserve(page);
    put(this.total, page.matching === page.total ? count(page.total) : `${count(page.matching)} of ${count(page.total)}`);
    const end = page.offset + page.rows.length;
    put(this.position, page.matching === 0 ? "" : `${count(page.offset + 1)}–${count(end)} of ${count(page.matching)}`);
    this.first.disabled = this.previous.disabled = page.offset === 0;
    this.next.disabled = this.last.disabled = end >= page.matching;
    this.none.hidden = page.rows.length > 0;
    put(this.none, page.total === 0 ? "None yet." : "Nothing matches the filter.");
  }

  reserve(page) {
    const step = narrow.matches ? 1 : wideStep;
    const wanted = Math.min(this.limit, Math.max(step, Math.ceil(page.rows.length / step) * step));
    this.reserved = narrow.matches === this.wasNarrow ? Math.max(this.reserved, wanted) : wanted;
    this.wasNarrow = narrow.matches;
    this.frame.style.setProperty("--reserved", this.reserved);
  }

  makeRow() {
    const element = add(this.body, "tr", { role: "row" });
    const updates = this.columns.map(column => {
      const cell = add(element, "td", { role: "cell", className: column.className ?? "" });
      cell.dataset.label = column.label;
      return column.fill(cell);
    });
    return { element, updates };
  }
}

export function add(parent, tag, properties = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "role" || name === "scope") element.setAttribute(name, value);
    else element[name] = value;
  }
  parent.append(element);
  return element;
}
