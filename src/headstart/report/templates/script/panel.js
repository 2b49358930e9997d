// The panel that asks otherwise: reads its fields, decides, says it.

function startPanel(study) {
  const metric = study.metric, factor = metric.factor, digits = metric.share ? 1 : 3;
  const fields = Object.fromEntries(["least", "price", "weight", "rate", "longest"].map((name) => [name, one(`ask-${name}`)]));
  const unit = metric.unit ? `\u00a0${metric.unit}` : "";
  const points = (value) => written(value * factor, digits) + unit;

  // The price goes by powers of ten, up to beyond where the answer last turns.
  const gaps = study.gap.map((gap, at) => Math.abs(gap) + (study.half[at]?.[1] ?? 0)).filter(Number.isFinite);
  const sent = study.traffic.filter((size) => size > 0), swallowing = 2 * Math.max(...gaps, study.rule.least) / Math.min(...sent);
  const neutral = { least: study.rule.least, price: 0, weight: 0, rate: 10, longest: null };
  const priced = !study.fixed && Number.isFinite(swallowing), turns = (asked) => priced ? turnsOf(study, asked, swallowing) : [];
  const highest = factor * Math.max(3 * (turns(neutral).at(-1)?.price ?? 0), 1 / Math.max(...sent, 1e-6));
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
    slide.value = from(number(name));
    slide.addEventListener("input", () => { fields[name].value = to(Number(slide.value)); answer(); });
    fields[name].addEventListener("input", () => { slide.value = from(number(name)); });
    if (study.fixed ? name !== "least" : name === "weight" && !study.spread) slide.disabled = fields[name].disabled = true;
  }
  if (study.fixed) fields.longest.disabled = fields.rate.disabled = true;

  // What is no number counts as the verdict's own, and what lies beyond an end as that end; both are written back.
  function number(name) {
    const field = fields[name], text = field.value.trim(), value = text === "" ? field.defaultValue : text;
    if (value === "") return null;
    return Math.min(field.max === "" ? Infinity : Number(field.max), Math.max(0, Number(value)));
  }
  const isWrong = (field) => field.validity.badInput || field.validity.rangeUnderflow || field.validity.rangeOverflow;
  for (const [name, field] of Object.entries(fields)) {
    field.addEventListener("change", () => {
      if (isWrong(field) || field.value.trim() === "") field.value = number(name) ?? "";
      answer();
    });
  }

  function check() {
    const wrong = Object.entries(fields).filter(([, field]) => isWrong(field));
    for (const field of Object.values(fields)) field.setAttribute("aria-invalid", String(isWrong(field)));
    one("asked-wrong").textContent = wrong.map(([name, field]) => {
      const label = field.closest("div").querySelector("label").textContent.split(/[,:;]/)[0];
      return `${label}: ${field.validity.badInput ? "this is no number" : "this is out of range"}; ${number(name) ?? "none"} is taken.`;
    }).join(" ");
  }

  // At its first position the rule is the verdict's, to the last digit.
  function rule() {
    const own = number("least") === Number(fields.least.defaultValue), longest = number("longest");
    return {
      least: own ? study.rule.least : number("least") / factor,
      price: number("price") / factor,
      weight: number("weight"),
      rate: number("rate"),
      longest: longest === null ? null : longest / 3600,
    };
  }

  function answer() {
    const asked = rule(), found = decide(study, asked), name = (arm) => arm === null ? DASH : study.arms[arm];
    check();
    one("asked-headline").textContent = headline(study, found);
    one("asked-words").textContent = words(found, asked, name);
    one("asked-turns").textContent = priced ? turnWords(found, asked) : "";
    one("asked-arms").tBodies[0].replaceChildren(...rows(found, asked));
    one("asked").dispatchEvent(new Event("answered"));
  }

  // Where a price turns the answer, and what ten times as much would say.
  function turnWords(found, asked) {
    const all = turns(asked), most = 3, per = ` ${metric.unit || metric.label} per MB`;
    const times = (price) => asked.price > 0 ? ` (${brief(price / asked.price)} times this price)` : "";
    const said = all.slice(0, most).map(({ price, says }) => `at about ${brief(price * factor)}${per}${times(price)} to \u201c${says}\u201d`);
    const turning = all.length ? `The answer turns ${said.join("; ")}${all.length > most ? "; and further on" : ""}.` : "No price on traffic turns the answer.";
    const ten = headline(study, decide(study, { ...asked, price: 10 * asked.price }));
    const dearer = asked.price > 0
      ? `Were bytes ten times as dear as this price, the answer would be ${ten === headline(study, found) ? "the same" : `\u201c${ten}\u201d`}.`
      : "Without a price, bytes count only in which arm is the cheapest: were they ten times as dear, the answer would be the same.";
    return `${turning} ${dearer}`;
  }

  const brief = (value) => String(Number(value.toPrecision(3)));

  function words(found, asked, name) {
    if (found.arm === null) return `No arm is left under this rule.${lateWords(found, asked)}`;
    const held = {
      better: "every other family is surely behind",
      "good enough": `it cannot be behind the best by more than ${points(asked.least)}, and is the cheapest such`,
      only: found.late.some(Boolean) ? "the others are excluded by the limit" : "the only family that is left",
      undecided: `no family is surely within ${points(asked.least)} of the best`,
      "no claim": "nothing can be claimed",
    }[found.grounds];
    const use = found.family === null ? "Ahead" : "Use", most = found.sides[found.leader].upper;
    const behind = Number.isFinite(most) && most > 0 ? `, by its best arm at most ${points(most)} behind the others` : "";
    return `${use}: ${name(found.arm)}. ${found.leader}${behind}: ${held}.${lateWords(found, asked)}`;
  }

  function lateWords(found, asked) {
    const gone = study.arms.filter((_, arm) => found.late[arm]);
    if (!gone.length) return "";
    return asked.rate === 0 ? ` At an uplink of 0 nobody can send; excluded: ${gone.join(", ")}.` : ` Too long in sending: ${gone.join(", ")}.`;
  }

  function part(found, asked, arm) {
    if (!study.candidate[arm]) return "no candidate";
    if (found.late[arm]) return asked.rate === 0 ? "cannot send" : "too long in sending";
    const family = Object.keys(found.sides).find((key) => found.sides[key].arm === arm);
    const stands = family ? `stands for ${family}` : study.beaten[arm] ? "behind on validation data" : "";
    const shut = family && found.sides[family].excluded.length ? `, behind ${found.sides[family].excluded.join(" and ")}` : "";
    return [arm === found.arm ? (found.family === null ? "ahead" : "to use") : "", stands + shut].filter(Boolean).join("; ");
  }

  // Small numbers keep two digits that mean something.
  const fine = (value) => value > 0 && value < 0.1 ? String(Number(value.toPrecision(2))) : written(value, 2);

  // Seconds as the rest of the page writes them.
  function duration(seconds) {
    if (seconds === null) return DASH;
    if (seconds > 0 && seconds < 0.05) return `${Number((1000 * seconds).toPrecision(2))} ms`;
    if (seconds < 90) return `${seconds.toFixed(1)} s`;
    return seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
  }

  function rows(found, asked) {
    const order = study.arms.map((_, arm) => arm).sort((a, b) => (study.mean[b] - study.mean[a]) * metric.sign);
    return order.map((arm) => {
      const cost = study.traffic[arm] === null ? null : asked.price * factor * study.traffic[arm];
      const seconds = study.upload[arm] !== null && Number.isFinite(found.hours[arm]) ? 3600 * found.hours[arm] : null;
      const mean = study.mean[arm] === null ? null : study.mean[arm] * factor;
      const cells = [
        study.family[arm] ?? "", written(mean, digits), written(study.worst[arm] * metric.sign * factor, digits),
        fine(study.traffic[arm]), fine(cost),
      ];
      const row = make("tr", { class: arm === found.arm ? "recommended" : "" },
        make("th", { scope: "row" }, study.arms[arm]), ...cells.map((text) => make("td", {}, text)));
      row.append(make("td", { "data-csv": JSON.stringify([seconds]) }, duration(seconds)), make("td", { class: "text" }, part(found, asked, arm)));
      return row;
    });
  }

  const form = fields.least.form;
  form.addEventListener("input", answer);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    for (const [name, { from }] of Object.entries(slides)) one(`ask-${name}-slide`).value = from(number(name));
    answer();
  }));
  answer();
}
