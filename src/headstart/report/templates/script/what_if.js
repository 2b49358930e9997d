// The answer under another rule: the arithmetic of headstart.evidence.find_answer, and nothing of the page.
// Where arms were picked by cross-fitting, families' standings are fixed and only the smallest difference may be another.
// Scores are turned so that greater is better; pairs come in the order of (0,1), (0,2), … (1,2), …

function decide(study, asked) {
  const ROUNDING = 1e-12, count = study.arms.length, weight = asked.weight;
  const indices = study.arms.map((_, at) => at);
  const mix = (mean, worst) => weight === 0 ? mean : (1 - weight) * mean + weight * worst;
  const known = (value) => value !== null && Number.isFinite(value);
  // At an uplink of 0 who sends anything never ends.
  const hours = (arm) => known(study.upload[arm]) && study.upload[arm] > 0 ? study.upload[arm] * 8 / asked.rate / 3600 : 0;
  const toll = (arm) => asked.price === 0 ? 0 : asked.price * (study.traffic[arm] ?? 0);

  const pair = (a, b) => a < b ? a * count - a * (a + 1) / 2 + b - a - 1 : pair(b, a);
  // How much wider an interval is that also looks at the worst tenth: by the draws, relative to that of the mean.
  const widened = (at) => {
    if (weight === 0) return 1;
    const [mm, md, dd] = study.spread?.[at] ?? [null, null, null];
    if (!(mm > 0)) return mm === 0 && dd === 0 ? 1 : NaN;
    return Math.sqrt(((1 - weight) ** 2 * mm + 2 * weight * (1 - weight) * md + weight ** 2 * dd) / mm);
  };
  // By how much a is better than b: the gap and both ends; NaN without a claim.
  const contrast = (a, b, families) => {
    const at = pair(a, b), turn = a < b ? 1 : -1, halves = study.half[at];
    const half = (halves === null ? NaN : halves[families === 3 ? 1 : 0]) * widened(at);
    const gap = mix(turn * study.gap[at], study.worst[a] - study.worst[b]), fee = toll(b) - toll(a);
    const clamp = (end) => study.bounded && Number.isFinite(half) ? Math.max(-1, Math.min(1, end)) : end;
    return { gap: gap + fee, low: clamp(gap - half) + fee, high: clamp(gap + half) + fee };
  };

  const late = indices.map((arm) => study.candidate[arm] && hours(arm) > (known(asked.longest) ? asked.longest : Number.MAX_VALUE));
  const able = indices.filter((arm) => study.candidate[arm] && !late[arm]);
  const first = (arms, key) => arms.reduce((best, arm) => {
    if (best === null) return arm;
    const [one, other] = [key(arm), key(best)];
    return one > other || (one === other && study.order[arm] < study.order[best]) ? arm : best;
  }, null);
  const foreseen = (arm) => mix(study.validation[arm], study.validation_worst[arm]) - toll(arm);
  const stands = (arms) => {
    const going = arms.filter((arm) => !study.beaten[arm]), left = going.length ? going : arms;
    const validated = left.filter((arm) => known(study.validation[arm]));
    return validated.length ? first(validated, foreseen) : first(left, () => 0);
  };

  const members = {}, sides = {};
  for (const family of study.families) {
    members[family] = able.filter((arm) => study.family[arm] === family);
    if (study.fixed ? study.fixed[family] : members[family].length) sides[family] = study.fixed?.[family].arm ?? stands(members[family]);
  }
  const names = study.families.filter((family) => family in sides), families = names.length;
  const found = { family: null, grounds: "no claim", leader: null, arm: null, sides: {}, hours: indices.map(hours), late };
  if (!families) return found;

  const rivals = (family) => names.filter((name) => name !== family)
    .map((name) => ({ name, ...contrast(sides[name], sides[family], families) }));
  const most = (values) => values.some(Number.isNaN) ? NaN : Math.max(...values);
  for (const family of names) {
    if (study.fixed) {
      const { arm, upper, excluded } = study.fixed[family];
      found.sides[family] = { arm, upper: upper ?? NaN, behind: family === study.rule.leader ? 0 : 1, excluded };
      continue;
    }
    const others = rivals(family);
    found.sides[family] = {
      arm: sides[family],
      upper: others.length ? most(others.map((one) => one.high)) : 0,
      behind: others.length ? Math.max(...others.map((one) => one.gap)) : 0,
      excluded: others.filter((one) => one.low > 0).map((one) => one.name),
    };
  }
  const uppers = names.map((name) => found.sides[name].upper), claims = !uppers.some(Number.isNaN);
  const least = (key) => names.reduce((best, name) => {
    const [one, other] = [key(name), key(best)];
    return one < other || (one === other && study.order[sides[name]] < study.order[sides[best]]) ? name : best;
  });
  found.leader = least((name) => claims ? found.sides[name].upper : found.sides[name].behind);
  if (families === 1) {
    const lost = study.families.filter((family) => study.known[family] && !(family in sides));
    const isLate = (family) => indices.some((arm) => late[arm] && study.family[arm] === family);
    if (lost.some((family) => !study.by_rules[family] && !isLate(family))) {
      found.arm = sides[found.leader];
      return found;
    }
    [found.family, found.grounds] = [found.leader, "only"];
  } else if (claims) {
    const good = names.filter((name) => found.sides[name].upper <= asked.least + ROUNDING);
    found.grounds = "undecided";
    if (good.length) {
      found.family = good.reduce((best, name) => study.order[sides[name]] < study.order[sides[best]] ? name : best);
      const others = names.filter((name) => name !== found.family);
      found.grounds = others.every((name) => found.sides[name].excluded.length) ? "better" : "good enough";
    }
  }
  found.leader = found.family ?? found.leader;
  const best = sides[found.leader];
  if (study.fixed) {
    const unchanged = asked.least === study.rule.least;
    found.arm = unchanged ? study.rule.arm : best;
    return found;
  }
  const cheaper = members[found.leader].filter((arm) => !study.beaten[arm] && study.order[arm] < study.order[best])
    .sort((a, b) => study.order[a] - study.order[b]);
  const enough = (arm) => names.every((name) => contrast(sides[name], arm, families).high <= asked.least + ROUNDING);
  found.arm = cheaper.find(enough) ?? best;
  return found;
}

// The prices at which the answer turns, all else as asked, each with the answer from there on.
function turnsOf(study, asked, highest) {
  const said = (price) => headline(study, decide(study, { ...asked, price })), steps = 120, turns = [];
  const at = (step) => step === 0 ? 0 : highest * 10 ** (6 * (step / steps - 1));
  let before = said(0);
  for (let step = 1; step <= steps; step++) {
    const after = said(at(step));
    // Between two steps it may turn more than once.
    for (let from = at(step - 1), most = 4; before !== after && most > 0; most--) {
      from = turnBetween((price) => said(price) === before, from, at(step));
      before = said(from);
      turns.push({ price: from, says: before });
    }
    before = after;
  }
  return turns;
}

function turnBetween(isBefore, low, high) {
  for (let half = 0; half < 30; half++) {
    const middle = (low + high) / 2;
    if (isBefore(middle)) low = middle;
    else high = middle;
  }
  return high;
}

// The answer in a few words, as the verdict says it.
function headline(study, found) {
  if (found.leader === null) return "No answer: no arm may be recommended";
  if (found.family !== null) return study.words.do[found.family];
  if (found.grounds === "no claim") return "No claim yet";
  const open = Object.keys(found.sides).filter((family) => !found.sides[family].excluded.length);
  if (!open.includes("fine-tune")) return "Share; whether to adapt afterwards is open";
  const doing = open.map((family) => study.words.doing[family]);
  const listed = doing.length > 1 ? `${doing.slice(0, -1).join(", ")} and ${doing.at(-1)}` : doing[0];
  return `Undecided between ${listed}`;
}
