// Counts the questions of a quiz that were answered rightly at the first try.
// A quiz works without this: every answer is a <details> that says by itself whether it is right.
document.addEventListener("DOMContentLoaded", () => {
  const answers = [...document.querySelectorAll('details[name^="quiz-"]')];
  if (answers.length === 0) return;
  const questions = new Set(answers.map((answer) => answer.getAttribute("name")));
  const score = document.createElement("p");
  score.className = "quiz-score";
  score.setAttribute("aria-live", "polite");
  answers[answers.length - 1].after(score);
  const first = new Map(); // question -> whether the first answer that was opened is right

  function show() {
    const right = [...first.values()].filter(Boolean).length;
    score.textContent = `Right at the first try: ${right} of ${first.size} answered, ` +
      `${questions.size} questions in all.`;
  }

  for (const answer of answers) {
    answer.addEventListener("toggle", () => {
      const question = answer.getAttribute("name");
      if (!answer.open || first.has(question)) return;
      first.set(question, answer.textContent.includes("✅"));
      show();
    });
  }
});
