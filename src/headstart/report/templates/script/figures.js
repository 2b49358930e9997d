// Figures: what a mark stands for is said on hover and focus; a figure goes out as SVG and PNG.

function startFigures() {
  const tip = make("div", { id: "tip", role: "tooltip", hidden: true });
  document.body.append(tip);
  const hide = () => { tip.hidden = true; };
  const show = (mark) => {
    tip.textContent = mark.dataset.t;
    tip.hidden = false;
    const box = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(4, box.x + box.width / 2 - own.width / 2), document.documentElement.clientWidth - own.width - 4);
    const above = box.y - own.height - 8;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${(above > 4 ? above : box.bottom + 8) + scrollY}px`;
  };
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  for (const svg of all("figure svg[role=img]")) startMarks(svg, show, hide);
  for (const figure of all("figure")) startExport(figure);
}

// One stop of the tabulator for each figure; the arrows go from mark to mark.
function startMarks(svg, show, hide) {
  const marks = all("[data-t]", svg);
  if (!marks.length) return;
  svg.setAttribute("role", "group");
  marks.forEach((mark, at) => {
    mark.setAttribute("tabindex", at ? "-1" : "0");
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", mark.dataset.t);
  });
  const markOf = (event) => event.target.closest?.("[data-t]");
  svg.addEventListener("pointerover", (event) => { const mark = markOf(event); if (mark) show(mark); else hide(); });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("focusin", (event) => { const mark = markOf(event); if (mark) show(mark); });
  svg.addEventListener("focusout", hide);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], at = marks.indexOf(markOf(event));
    if (!step || at < 0) return;
    event.preventDefault();
    const next = marks[(at + step + marks.length) % marks.length];
    marks[at].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
}

function startExport(figure) {
  const shown = () => all("div > svg", figure).find((svg) => svg.getClientRects().length) ?? figure.querySelector("div > svg");
  if (!figure.querySelector("div > svg")) return;
  const name = fileName(shown().querySelector("title")?.textContent ?? "figure");
  const button = (label, click) => make("button", { type: "button", "aria-label": `${label}: ${name}`, click }, label);
  figure.append(make("div", { class: "tools" },
    button("SVG", () => save(`${name}.svg`, "image/svg+xml", alone(shown()))),
    button("PNG", () => savePicture(`${name}.png`, shown()))));
}

// A copy that stands alone: its colours as they are now, not by name.
function alone(svg) {
  const copy = svg.cloneNode(true), before = [svg, ...all("*", svg)], after = [copy, ...all("*", copy)];
  before.forEach((element, at) => {
    const style = getComputedStyle(element);
    for (const name of ["fill", "stroke"]) {
      if ((element.getAttribute(name) ?? "").startsWith("var(")) after[at].setAttribute(name, style[name]);
    }
    for (const name of ["tabindex", "role", "aria-label", "data-t"]) after[at].removeAttribute(name);
  });
  const { width, height } = svg.viewBox.baseVal;
  copy.setAttribute("xmlns", svg.namespaceURI);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.setAttribute("font-family", "Helvetica, Arial, sans-serif");
  copy.style.background = getComputedStyle(document.body).backgroundColor;
  return new XMLSerializer().serializeToString(copy);
}

function savePicture(name, svg) {
  const { width, height } = svg.viewBox.baseVal, canvas = make("canvas", { width: 2 * width, height: 2 * height });
  const address = URL.createObjectURL(new Blob([alone(svg)], { type: "image/svg+xml" })), picture = new Image();
  picture.addEventListener("load", () => {
    const paint = canvas.getContext("2d");
    paint.fillStyle = getComputedStyle(document.body).backgroundColor;
    paint.fillRect(0, 0, canvas.width, canvas.height);
    paint.drawImage(picture, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(address);
    canvas.toBlob((blob) => save(name, "image/png", blob));
  });
  picture.src = address;
}
