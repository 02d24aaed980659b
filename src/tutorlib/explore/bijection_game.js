// The controls of the elimination game: one object holds what the reader sees, draw() shows it.

function mount(root, data) {
  const part = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((element) => [element.dataset.part, element]));
  const networks = data.map((entry) => readNetwork(entry.network));
  let chosen = 0; // which network
  let game = 0; // number of this game
  let past = []; // earlier states, for undo
  let state = null;
  let guessed = null; // the verdict on the reader's guess, once there is one
  const size = () => data[chosen].symbols;

  function begin() {
    const { secrets, symbols } = data[chosen];
    state = { secret: secrets[game] ?? shuffled(symbols, generator(game)), steps: [], box: 0 };
    past = [];
    guessed = null;
    part.boxes.innerHTML = range(symbols).map((box) =>
      `<label class="box"><input type="radio" name="box" value="${box}"><span class="number">${hush("box")}${box + 1}</span><span class="inside"></span></label>`).join("");
    part.parameters.textContent = data[chosen].parameters.toLocaleString("en");
    draw();
  }

  /** Answers to every question of this game so far, the present one last. */
  function allAnswers() {
    const { steps, box } = state;
    const asked = steps.map((step, at) => answers(networks[chosen], size(), steps.slice(0, at), step.box));
    return box === null ? asked : [...asked, answers(networks[chosen], size(), steps, box)];
  }

  function draw() {
    const focused = root.contains(document.activeElement) ? document.activeElement : null;
    const all = allAnswers();
    const answer = all.at(-1); // with every box open: the last question
    const done = state.box === null;
    const covered = part.guessing.checked && !done && guessed === null;
    const before = state.steps.slice(0, answer.k - 1);

    drawBoxes();
    drawBallChoice(done);
    part.guess.hidden = !covered;
    part.look.hidden = covered;
    part.sentence.textContent = covered
      ? `Question ${answer.k} of ${size()}: which ball is in box ${answer.box + 1}? Guess first.`
      : (guessed === null ? "" : `${guessed} `) + (done ? ending(size(), state.steps, all) : sentence(size(), state.steps, answer));
    part.bars.innerHTML = bars(answer, before);
    part.numbers.innerHTML = numbers(answer);
    part.chart.innerHTML = chart(size(), all);
    part.opened.textContent = state.steps.length;
    part.history.innerHTML = state.steps.map((step, at) => record(step, all[at])).join("");
    part.open.textContent = done ? "All open" : `Open box ${state.box + 1}`;
    part.open.disabled = part.rest.disabled = done;
    part.undo.disabled = past.length === 0;
    keepFocus(focused);
  }

  function drawBoxes() {
    for (const label of part.boxes.children) {
      const input = label.firstElementChild;
      const box = Number(input.value);
      const step = state.steps.find((one) => one.box === box);
      input.checked = box === state.box;
      input.disabled = step !== undefined;
      label.lastElementChild.innerHTML = step ? ballMark(step.ball) : "";
    }
  }

  function drawBallChoice(done) {
    const seen = new Set(state.steps.map((step) => step.ball));
    part.trick.hidden = !part.tricking.checked || done;
    part.ball.innerHTML = '<option value="">the ball that is inside</option>' + range(size()).map((ball) =>
      `<option value="${ball}">ball ${LETTERS[ball]}${seen.has(ball) ? " (seen before)" : ""}</option>`).join("");
  }

  function record(step, answer) {
    const cells = [answer.k, step.box + 1, LETTERS[step.ball], answer.exact ? fixed(answer.exactEntropy, 3) : "none",
      fixed(answer.networkEntropy, 3), answer.exact ? small(answer.kl) : "none"];
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  }

  /** The keyboard never falls off: what was focused may now be disabled or hidden. */
  function keepFocus(focused) {
    if (!focused) return;
    const usable = (element) => element && element.isConnected && !element.disabled && !element.closest("[hidden]");
    const instead = focused.type === "radio" ? part.boxes.querySelector("input:checked") : part.open;
    const next = [focused, instead, part.new].find(usable);
    if (next !== document.activeElement) next.focus({ preventScroll: true });
  }

  function become(next) {
    past.push(state);
    state = next;
    guessed = null;
    draw();
  }

  part.boxes.addEventListener("change", (event) => {
    state = { ...state, box: Number(event.target.value) };
    guessed = null;
    draw();
  });
  part.play.addEventListener("submit", (event) => {
    event.preventDefault();
    if (state.box === null) return;
    const ball = part.tricking.checked && part.ball.value !== "" ? Number(part.ball.value) : null;
    become(opened(state, ball));
  });
  part.rest.addEventListener("click", () => {
    let next = state;
    while (next.box !== null) next = opened(next);
    become(next);
  });
  part.undo.addEventListener("click", () => {
    state = past.pop();
    guessed = null;
    draw();
  });
  part.new.addEventListener("click", () => {
    game += 1;
    begin();
  });
  part.size.addEventListener("change", () => {
    chosen = Number(part.size.value);
    game = 0;
    begin();
  });
  part.tricking.addEventListener("change", draw);
  part.guessing.addEventListener("change", () => {
    guessed = null;
    draw();
  });
  part.guess.addEventListener("submit", (event) => {
    event.preventDefault();
    if (part.guessed.value === "") return;
    guessed = verdict(Number(part.guessed.value), size(), allAnswers().at(-1));
    part.guessed.value = "";
    draw();
  });
  part["boxes-set"].disabled = false;
  // A browser may restore the controls of an earlier visit; the game begins anew, so they do too.
  part.size.value = "0";
  part.guessing.checked = part.tricking.checked = false;
  begin();
}
