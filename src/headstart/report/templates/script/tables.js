// Every table sorts by its heads, filters by words and by column, and goes out as CSV.

const UNITS = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, FLOP: 1, kFLOP: 1e3, MFLOP: 1e6, GFLOP: 1e9, TFLOP: 1e12,
  PFLOP: 1e15, ms: 1e-3, s: 1, min: 60, h: 3600, "µJ": 1e-6, mJ: 1e-3, J: 1, kJ: 1e3, MJ: 1e6 };

// A cell's words, its small print apart.
function wordsOf(cell) {
  return [...cell.childNodes].map((node) => node.textContent.trim()).filter(Boolean).join(" ").replace(/\s+/g, " ");
}

// A cell as a number where it begins with one, units reckoned in; NaN of words.
function numberOf(text) {
  const found = /^[<>]?([+\u2212-]?)(\d[\d,]*\.?\d*(?:e[+-]?\d+)?)\s*([a-zA-Zµ]*)/.exec(text);
  if (!found) return NaN;
  return (found[1] === "\u2212" || found[1] === "-" ? -1 : 1) * Number(found[2].replaceAll(",", "")) * (UNITS[found[3]] ?? 1);
}

function compare(one, other, byNumber) {
  if (byNumber) {
    const [a, b] = [numberOf(one), numberOf(other)];
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return a - b;
  }
  return one.localeCompare(other, undefined, { numeric: true });
}

function sortBy(table, column, descending) {
  const rows = [...table.tBodies[0].rows], texts = new Map(rows.map((row) => [row, wordsOf(row.cells[column])]));
  const shown = [...texts.values()].filter((text) => text && text !== DASH);
  const byNumber = column > 0 && shown.length > 0 && shown.every((text) => !Number.isNaN(numberOf(text)));
  const empty = (text) => !text || text === DASH;
  rows.sort((one, other) => {
    const [a, b] = [texts.get(one), texts.get(other)];
    if (empty(a) || empty(b)) return empty(a) - empty(b);
    return (descending ? -1 : 1) * compare(a, b, byNumber);
  });
  table.tBodies[0].append(...rows);
}

// Words must be there; "> 80" and "< 5 MB" compare numbers.
function holds(text, wanted) {
  const compared = /^([<>])=?\s*(.+)$/.exec(wanted);
  if (!compared) return text.toLowerCase().includes(wanted.toLowerCase());
  const [value, limit] = [numberOf(text), numberOf(compared[2])];
  if (Number.isNaN(limit)) return true;
  const equal = wanted[1] === "=" && value === limit;
  return equal || (compared[1] === "<" ? value < limit : value > limit);
}

function cellOfCsv(text) {
  // What a spreadsheet would take for a formula stays text.
  const harmless = /^[=@\t\r]|^[+-](?!\d)/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function csvOf(table) {
  const lines = all("tr", table).filter((row) => !row.classList.contains("filters") && !row.hidden);
  return lines.map((row) => [...row.cells].map((cell) => cellOfCsv(wordsOf(cell).replace(/\s*[▲▼]$/, ""))).join(",")).join("\r\n") + "\r\n";
}

function startTable(table, number) {
  const heads = table.tHead ? [...table.tHead.rows[0].cells] : [], body = table.tBodies[0];
  const box = table.closest(".scroll") ?? table, name = box.getAttribute("aria-label") ?? `Table ${number + 1}`;
  if (!body || !heads.length) return;
  if (!table.classList.contains("fixed")) heads.forEach((head, column) => startHead(table, heads, head, column));
  const search = make("input", { type: "search", placeholder: "Search", "aria-label": `Search: ${name}` });
  const filters = make("tr", { class: "filters", hidden: true }, ...heads.map((head) =>
    make("td", {}, make("input", { type: "text", size: 6, "aria-label": `Filter by ${wordsOf(head)}`, placeholder: "> 80" }))));
  const count = make("span", { class: "quiet", role: "status" });
  const apply = () => {
    const wanted = all("input", filters).map((input) => input.value.trim()), words = search.value.trim();
    let shown = 0;
    for (const row of body.rows) {
      const texts = [...row.cells].map(wordsOf);
      row.hidden = !(texts.some((text) => holds(text, words)) && wanted.every((want, at) => !want || holds(texts[at] ?? "", want)));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = words || wanted.some(Boolean) ? `${shown} of ${body.rows.length}` : "";
  };
  search.addEventListener("input", apply);
  filters.addEventListener("input", apply);
  const long = body.rows.length > 8 && !table.classList.contains("fixed");
  if (long) table.tHead.append(filters);
  const toggle = long ? make("button", { type: "button", "aria-expanded": "false", click: (event) => {
    filters.hidden = !filters.hidden;
    event.target.setAttribute("aria-expanded", String(!filters.hidden));
  } }, "Filter columns") : null;
  const csv = make("button", { type: "button", "aria-label": `CSV: ${name}`, click: () => save(`${fileName(name)}.csv`, "text/csv", "\ufeff" + csvOf(table)) }, "CSV");
  box.before(make("div", { class: "tools" }, long ? search : null, toggle, count, csv));
}

function startHead(table, heads, head, column) {
  const button = make("button", { type: "button", class: "sort", click: () => {
    const descending = head.getAttribute("aria-sort") === "ascending" || (!head.hasAttribute("aria-sort") && column > 0);
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    sortBy(table, column, descending);
  } }, make("span", { "aria-hidden": "true", class: "arrow" }));
  button.setAttribute("aria-label", `Sort by ${wordsOf(head)}`);
  head.append(button);
}

const fileName = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "table";
