// Every table sorts by its heads, filters by words and by column, and goes out as CSV.

const UNITS = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, FLOP: 1, kFLOP: 1e3, MFLOP: 1e6, GFLOP: 1e9, TFLOP: 1e12,
  PFLOP: 1e15, ms: 1e-3, s: 1, min: 60, h: 3600, "µJ": 1e-6, mJ: 1e-3, J: 1, kJ: 1e3, MJ: 1e6 };
const BASES = Object.fromEntries(Object.keys(UNITS).map((unit) =>
  [unit, unit.endsWith("B") ? "bytes" : unit.endsWith("FLOP") ? "FLOP" : unit.endsWith("J") ? "J" : "seconds"]));

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

// What a cell says to a machine, where it says more than its words: a list, of a head the names.
const factsOf = (cell) => cell?.dataset.csv ? JSON.parse(cell.dataset.csv) : null;

function numberIn(cell) {
  const first = factsOf(cell)?.[0];
  return typeof first === "number" ? first : numberOf(wordsOf(cell));
}

const isEmpty = (text) => !text || text === DASH;

function sortBy(table, column, descending) {
  const keys = new Map([...table.tBodies[0].rows].map((row) => [row, { text: wordsOf(row.cells[column]), number: numberIn(row.cells[column]) }]));
  const shown = [...keys.values()].filter(({ text }) => !isEmpty(text));
  const byNumber = column > 0 && shown.length > 0 && shown.every(({ number }) => !Number.isNaN(number));
  const rows = [...keys.keys()].sort((one, other) => {
    const [a, b] = [keys.get(one), keys.get(other)];
    if (isEmpty(a.text) || isEmpty(b.text)) return isEmpty(a.text) - isEmpty(b.text);
    return (descending ? -1 : 1) * (byNumber ? a.number - b.number : a.text.localeCompare(b.text, undefined, { numeric: true }));
  });
  table.tBodies[0].append(...rows);
}

const COMPARED = /^([<>])=?\s*(.*)$/;

// Words must be there; "> 80" and "< 5 MB" compare numbers.
function holds(cell, wanted) {
  const compared = COMPARED.exec(wanted);
  if (!compared) return wordsOf(cell).toLowerCase().includes(wanted.toLowerCase());
  const [value, limit] = [numberIn(cell), numberOf(compared[2])];
  if (Number.isNaN(limit)) return true;
  const equal = wanted[1] === "=" && value === limit;
  return equal || (compared[1] === "<" ? value < limit : value > limit);
}

const meansNothing = (wanted) => COMPARED.test(wanted) && Number.isNaN(numberOf(COMPARED.exec(wanted)[2]));

function cellOfCsv(value) {
  const text = String(value ?? "").replaceAll(MINUS, "-");
  // What a spreadsheet would take for a formula stays text.
  const harmless = typeof value !== "number" && /^[=+@\t\r-]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

// The unit of a column whose cells are all numbers of one kind, "" where they have none; null of words.
function unitOf(texts) {
  const found = texts.map((text) => /^[+\u2212-]?\d[\d,]*\.?\d*(?:e[+-]?\d+)?\s*([a-zA-Zµ%]*)$/.exec(text));
  if (!found.length || found.includes(null)) return null;
  const units = [...new Set(found.map(([, unit]) => BASES[unit] ?? unit).filter(Boolean))];
  return units.length > 1 ? null : units[0] ?? "";
}

// One column of the table as one or more of the file, each with its name first.
function columnsOf(table, rows, column) {
  const head = table.tHead.rows[0].cells[column], names = factsOf(head), cells = rows.map((row) => row.cells[column]);
  if (names) return names.map((name, at) => [name, ...cells.map((cell) => factsOf(cell)?.[at] ?? "")]);
  const name = wordsOf(head).replace(/\s*[▲▼]$/, ""), texts = cells.map((cell) => cell ? wordsOf(cell) : "");
  const small = cells.map((cell) => cell ? all("small", cell).map((one) => one.textContent.trim()).join("; ") : "");
  if (small.some(Boolean)) {
    const whole = texts.map((text, at) => small[at] ? wordsOf(without(cells[at], "small")) : text);
    return [[name, ...whole], [`${name}: note`, ...small]];
  }
  const unit = unitOf(texts.filter((text) => !isEmpty(text)));
  const plain = (text) => text === DASH ? "" : unit === null || !text ? text : Number(numberOf(text).toPrecision(12));
  return [[unit && !name.endsWith(unit) ? `${name}, ${unit}` : name, ...texts.map(plain)]];
}

function without(cell, selector) {
  const copy = cell.cloneNode(true);
  all(selector, copy).forEach((part) => part.remove());
  return copy;
}

function csvOf(table) {
  const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
  const columns = [...table.tHead.rows[0].cells].flatMap((_, column) => columnsOf(table, rows, column));
  return columns[0].map((_, line) => columns.map((column) => cellOfCsv(column[line])).join(",")).join("\r\n") + "\r\n";
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
      row.hidden = !([...row.cells].some((cell) => holds(cell, words)) && wanted.every((want, at) => !want || holds(row.cells[at], want)));
      shown += row.hidden ? 0 : 1;
    }
    const lost = [words, ...wanted].filter(meansNothing).map((want) => `; "${want}" compares with no number`);
    count.textContent = words || wanted.some(Boolean) ? `${shown} of ${body.rows.length}${[...new Set(lost)].join("")}` : "";
  };
  search.addEventListener("input", apply);
  filters.addEventListener("input", apply);
  const long = body.rows.length > 8 && !table.classList.contains("fixed");
  if (long) table.tHead.append(filters);
  const toggle = long ? make("button", { type: "button", "aria-expanded": "false", click: (event) => {
    filters.hidden = !filters.hidden;
    event.target.setAttribute("aria-expanded", String(!filters.hidden));
  } }, "Filter columns") : null;
  const csv = make("button", { type: "button", "aria-label": `CSV: ${name}`, click: () => save(`${fileName(`${studyName()} ${name}`)}.csv`, "text/csv", "\ufeff" + csvOf(table)) }, "CSV");
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

const studyName = () => (document.querySelector(".study b")?.textContent ?? "").slice(0, 40);
const fileName = (name) => name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "table";
