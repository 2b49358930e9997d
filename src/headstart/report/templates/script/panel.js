// The panel that asks otherwise: reads its fields, decides, says it.

function startPanel(study) {
  const metric = study.metric, factor = metric.factor, digits = metric.share ? 1 : 3;
  const fields = Object.fromEntries(["least", "price", "weight", "rate", "longest"].map((name) => [name, one(`ask-${name}`)]));
  const unit = metric.unit ? `\u00a0${metric.unit}` : "";
  const points = (value) => written(value * factor, digits) + unit;

  // Sliders: the price goes by powers of ten, up to what would swallow the dearest arm's score.
  const dearest = Math.max(...study.traffic.map((size) => size ?? 0), 1e-6), highest = factor / dearest;
  const price = (at) => at <= 0 ? 0 : Number((highest * 10 ** (at / 10 - 6)).toPrecision(3));
  const place = (value) => value > 0 ? Math.max(1, 10 * (Math.log10(value / highest) + 6)) : 0;
  const least = factor * study.rule.least, widest = Math.max(5 * least, metric.share ? 10 : least || 1);
  fields.least.value = fields.least.defaultValue = Number(least.toPrecision(6));
  const slides = {
    least: { to: (at) => Number((widest * at).toPrecision(3)), from: (value) => Math.min(1, value / widest) },
    price: { to: price, from: place },
    weight: { to: Number, from: Number },
  };
  one("ask-least-slide").max = 1;
  for (const [name, { to, from }] of Object.entries(slides)) {
    const slide = one(`ask-${name}-slide`);
    slide.value = from(Number(fields[name].value));
    slide.addEventListener("input", () => { fields[name].value = to(Number(slide.value)); answer(); });
    fields[name].addEventListener("input", () => { slide.value = from(Number(fields[name].value)); });
    if (study.fixed ? name !== "least" : name === "weight" && !study.spread) slide.disabled = fields[name].disabled = true;
  }
  if (study.fixed) fields.longest.disabled = true;
  const number = (name) => Math.max(0, Number(fields[name].value) || 0);

  // At its first position the rule is the verdict's, to the last digit.
  function rule() {
    const own = fields.least.value === fields.least.defaultValue;
    return {
      least: own ? study.rule.least : number("least") / factor,
      price: number("price") / factor,
      weight: Math.min(1, number("weight")),
      rate: number("rate"),
      longest: fields.longest.value === "" ? null : number("longest"),
    };
  }

  function answer() {
    const asked = rule(), found = decide(study, asked), name = (arm) => arm === null ? DASH : study.arms[arm];
    one("asked-headline").textContent = headline(study, found);
    one("asked-words").textContent = words(found, asked, name);
    one("asked-arms").tBodies[0].replaceChildren(...rows(found, asked));
    one("asked").dispatchEvent(new Event("answered"));
  }

  function words(found, asked, name) {
    if (found.arm === null) return "No arm is left under this rule.";
    const held = {
      better: "every other family is surely behind",
      "good enough": `it cannot be behind the best by more than ${points(asked.least)}, and is the cheapest such`,
      only: "the only family that is left",
      undecided: `no family is surely within ${points(asked.least)} of the best`,
      "no claim": "nothing can be claimed",
    }[found.grounds];
    const use = found.family === null ? "Ahead" : "Use", most = found.sides[found.leader].upper;
    const behind = Number.isFinite(most) && most > 0 ? `, at most ${points(most)} behind the best family` : "";
    const gone = study.arms.filter((_, arm) => study.candidate[arm] && isLate(found, asked, arm));
    const late = gone.length ? ` Too long in sending: ${gone.join(", ")}.` : "";
    return `${use}: ${name(found.arm)} (${found.leader}${behind}): ${held}.${late}`;
  }

  const isLate = (found, asked, arm) => asked.longest !== null && found.hours[arm] > asked.longest;

  function part(found, asked, arm) {
    if (!study.candidate[arm]) return "no candidate";
    if (isLate(found, asked, arm)) return "too long in sending";
    const family = Object.keys(found.sides).find((key) => found.sides[key].arm === arm);
    const stands = family ? `stands for ${family}` : study.beaten[arm] ? "behind on validation data" : "";
    const shut = family && found.sides[family].excluded.length ? `, behind ${found.sides[family].excluded.join(" and ")}` : "";
    return [arm === found.arm ? "to use" : "", stands + shut].filter(Boolean).join("; ");
  }

  // Small numbers keep two digits that mean something.
  const fine = (value) => value > 0 && value < 0.1 ? String(Number(value.toPrecision(2))) : written(value, 2);

  function rows(found, asked) {
    const order = study.arms.map((_, arm) => arm).sort((a, b) => (study.mean[b] - study.mean[a]) * metric.sign);
    return order.map((arm) => {
      const cost = study.traffic[arm] === null ? null : asked.price * factor * study.traffic[arm];
      const hours = asked.rate > 0 && study.upload[arm] !== null ? found.hours[arm] : null;
      const mean = study.mean[arm] === null ? null : study.mean[arm] * factor;
      const cells = [
        study.family[arm] ?? "", written(mean, digits), written(study.worst[arm] * metric.sign * factor, digits),
        fine(study.traffic[arm]), fine(cost), fine(hours),
      ];
      const row = make("tr", { class: arm === found.arm ? "recommended" : "" },
        make("th", { scope: "row" }, study.arms[arm]), ...cells.map((text) => make("td", {}, text)));
      row.append(make("td", { class: "text" }, part(found, asked, arm)));
      return row;
    });
  }

  const form = fields.least.form;
  form.addEventListener("input", answer);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    for (const [name, { from }] of Object.entries(slides)) one(`ask-${name}-slide`).value = from(Number(fields[name].value));
    answer();
  }));
  answer();
}
