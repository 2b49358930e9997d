// One client at a time: a dialog that a name in a table or a figure opens, and a search among all that are there.

function startClients(data) {
  const places = new Map(data.names.map((name, at) => [name.trim(), at]));
  const dialog = make("dialog", { id: "client", "aria-labelledby": "client-name" });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  const open = (at) => {
    dialog.replaceChildren(...clientCard(data, at, () => dialog.close()));
    dialog.showModal();
  };
  for (const section of all("#clients, #each-client, #hurt")) linkNames(section, places, open);
  const section = one("clients");
  if (section) section.querySelector("h2").after(searchFor(data, open));
}

// Names of clients at the head of a row or on a figure's axis.
function linkNames(section, places, open) {
  for (const head of all("tbody th[scope=row]", section)) {
    const name = head.firstChild, at = name?.nodeType === Node.TEXT_NODE ? places.get(name.textContent.trim()) : undefined;
    if (at !== undefined) name.replaceWith(make("button", { type: "button", class: "open", click: () => open(at) }, name.textContent.trim()));
  }
  for (const text of all("figure svg text", section)) {
    const at = places.get(text.textContent.replace(/ \(held out\)$/, ""));
    if (at === undefined) continue;
    text.classList.add("open");
    text.addEventListener("click", () => open(at));
  }
}

function searchFor(data, open) {
  const list = make("ul", { class: "matches" }), words = data.names.map((name) => name.toLowerCase());
  const rest = data.of > data.names.length ? ` (${data.names.length} of ${data.of} are on this page)` : "";
  const status = make("span", { class: "quiet", role: "status" }), most = 20;
  const matches = (wanted) => {
    const found = [];
    for (let at = 0; wanted && at < words.length && found.length < most; at++) if (words[at].includes(wanted)) found.push(at);
    return found;
  };
  // Enter opens the client of that very name, or the only one that fits.
  const enter = (event) => {
    const wanted = field.value.trim().toLowerCase(), found = matches(wanted), exact = words.indexOf(wanted);
    if (event.key !== "Enter" || !wanted) return;
    event.preventDefault();
    if (exact >= 0 || found.length === 1) open(exact >= 0 ? exact : found[0]);
    else status.textContent = found.length ? `${found.length < most ? found.length : `${most} or more`} found: choose one.` : "None found.";
  };
  const field = make("input", { type: "search", id: "find-client", keydown: enter, input: () => {
    const wanted = field.value.trim().toLowerCase(), found = matches(wanted);
    status.textContent = wanted && !found.length ? "None found." : "";
    list.replaceChildren(...found.map((at) => make("li", {}, make("button", { type: "button", class: "open", click: () => open(at) }, data.names[at]))));
  } });
  return make("div", { class: "find scripted" }, make("label", { for: "find-client" }, `Open a client${rest}`), field, status, list);
}

function clientCard(data, at, close) {
  const name = data.names[at], more = data.more[name] ?? {}, digits = data.metric.share ? 1 : 3;
  const sizes = Object.entries(data.sizes).filter(([, sizes]) => sizes[at] !== null && sizes[at] !== undefined);
  return [
    make("button", { type: "button", class: "close", click: close, autofocus: true }, "Close"),
    make("h2", { id: "client-name" }, name),
    make("p", { class: "quiet" }, [data.seen[at] === "1" ? "took part in training" : "held out",
      ...sizes.map(([part, sizes]) => `${sizes[at]} to ${{ train: "train with", val: "validate with", test: "test with" }[part]}`)].join(" · ")),
    ...scoreTable(data, at, digits), ...gainList(more), ...classTable(data, more), ...confusionTables(data, more),
    Object.keys(more).length ? null : make("p", { class: "quiet" }, "Classes and confusions of this client are not on this page."),
  ].filter((part) => part !== null);
}

function tableOf(heads, lines, label) {
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, make("table", { class: "slim" },
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...lines.map(([head, ...cells]) => make("tr", {}, make("th", { scope: "row" }, head), ...cells.map((cell) => make("td", {}, String(cell))))))));
}

const share = (value) => value === null ? DASH : `${written(value, 1)}%`;

function scoreTable(data, at, digits) {
  const first = data.scores[0]?.[at] ?? null, calibrated = data.calibration.length > 0;
  const lines = data.arms.map((arm, place) => {
    const value = data.scores[place][at], change = place && value !== null && first !== null ? data.metric.sign * (value - first) : null;
    const cells = [data.families[place], written(value, digits) + (value !== null && data.metric.share ? "%" : ""), place ? written(change, digits, true) : ""];
    return [arm, ...cells, ...(calibrated ? [share(data.calibration[place][at])] : [])];
  });
  const unit = data.metric.unit ? `, ${data.metric.unit}` : "";
  const label = data.metric.label[0].toUpperCase() + data.metric.label.slice(1);
  const heads = ["Arm", "Family", label, `Against ${data.arms[0]}${unit}`, ...(calibrated ? ["Calibration error"] : [])];
  const unsure = calibrated ? data.unsure ?? [] : [];
  const words = `No calibration error of ${unsure.join(", ")}: ${unsure.length > 1 ? "their" : "its"} scores are no probabilities.`;
  return [make("h3", {}, "What it reaches"), tableOf(heads, lines, "Scores of this client"), unsure.length ? make("p", { class: "quiet" }, words) : null];
}

function gainList(more) {
  if (!more.gains?.length) return [];
  const says = ([family, gain, low, high, sure]) => `${{ "fine-tune": "Alone", federate: "Federated", both: "With both" }[family] ?? family}: `
    + `${written(gain, 1, true)} points of accuracy` + (low === null ? "" : ` (${written(low, 1, true)} to ${written(high, 1, true)})`) + (sure ? ", surely" : ", not sure");
  return [make("h3", {}, "What another family would change"), make("ul", {}, ...more.gains.map((gain) => make("li", {}, says(gain))))];
}

function classTable(data, more) {
  const labels = more.labels ?? {}, parts = Object.keys(labels);
  if (!parts.length) return [];
  const count = Math.max(...parts.map((part) => labels[part].length));
  const lines = Array.from({ length: count }, (_, at) => [className(data, at), ...parts.map((part) => labels[part][at] ?? 0)]);
  const heads = ["Class", ...parts.map((part) => ({ train: "To train with", test: "To test with" }[part] ?? part))];
  return [make("h3", {}, "Its classes"), tableOf(heads, lines, "Classes of this client")];
}

const className = (data, at) => data.classes[at] ?? `class ${at}`;

function confusionTables(data, more) {
  const size = data.classes.length;
  if (!more.cells?.length || !size) return [];
  return more.cells.flatMap((flat, place) => {
    const counts = new Map();
    for (let at = 0; at < flat.length; at += 2) counts.set(flat[at], flat[at + 1]);
    // Cells are numbered by the classes that were counted, which may be fewer than there are.
    const classes = data.counted ?? size, used = [...new Set([...counts.keys()].flatMap((cell) => [Math.floor(cell / classes), cell % classes]))].sort((a, b) => a - b);
    const lines = used.map((row) => [className(data, row), ...used.map((column) => counts.get(row * classes + column) ?? "")]);
    const label = `${data.confused[place]}: the true class, and what it was taken for, over all seeds`;
    const details = make("details", { open: place === 0 }, make("summary", {}, label), tableOf(["True class", ...used.map((at) => className(data, at))], lines, label));
    return place ? [details] : [make("h3", {}, "What was taken for what"), details];
  });
}
