#!/usr/bin/env python3
"""Writes tests/golden/answers.json: what the official scripts of SQuAD, TriviaQA and HotpotQA give odd answers.

    python3 tests/reference/make_answers_golden.py SQUAD TRIVIAQA HOTPOTQA [OUTPUT]

SQUAD is evaluate-v2.0.py of rajpurkar/SQuAD-explorer, TRIVIAQA the checkout of mandarjoshi90/triviaqa, HOTPOTQA
hotpot_evaluate_v1.py of hotpotqa/hotpot. Each case has the questions and the answers as files have them, and the
scores. Last stand texts and what the scripts make of them before they compare.
"""

import contextlib
import importlib.util
import io
import json
import pathlib
import random
import sys
import tempfile
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORDS = """the The a An THE apple Apple's "apple" u.s.a. U.S.A New_York New York (1984) 1,984 1.984 caf\u00e9 CAF\u00c9
\u00c9t\u00e9 \u0130stanbul \u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3 \u1e9e \u01c4 \u2018quoted\u2019 \u2019s
acute\u00b4 back`tick en\u2013dash \u4e2d\u6587 \u00bd x\u00b2 a-b a.b an1 \u00a0 yes no noanswer Yes. NO the-the
a\u0301 _ -- ... \U0001f600 \u216b \u24b6 \ufb01sh \u0410\u0411\u0412""".split(" ")


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text(draw, most=4):
    return draw.choice([" ", "  ", " "]).join(draw.choice(WORDS) for _ in range(draw.randrange(0, most + 1)))


def near(draw, answers):
    """One of the answers, changed or not, or another text."""
    if not answers or draw.random() < 0.3:
        return text(draw)
    words = draw.choice(answers).split(" ")
    if draw.random() < 0.5 and words:
        words[draw.randrange(len(words))] = draw.choice(WORDS)
    return draw.choice([" ".join(words), "the " + " ".join(words), " ".join(words).upper(), " ".join(words) + "."])


def squad_case(draw, script, number):
    qas, predictions = [], {}
    for i in range(6):
        answers = [text(draw) for _ in range(draw.randrange(0, 4))]
        qas.append({"id": f"q{i}", "answers": [{"text": a, "answer_start": 0} for a in answers]})
        predictions[f"q{i}"] = draw.choice([near(draw, answers), near(draw, answers), ""])
    data = [{"title": "t", "paragraphs": [{"context": "", "qas": qas}]}]
    exact, f1 = script.get_raw_scores(data, predictions)
    has = script.make_qid_to_has_ans(data)
    scores = dict(script.make_eval_dict(exact, f1))
    for name, wanted in (("HasAns", True), ("NoAns", False)):
        chosen = [q for q in exact if has[q] is wanted]
        if chosen:
            script.merge_eval(scores, script.make_eval_dict(exact, f1, qid_list=chosen), name)
    return {"kind": "squad", "questions": {"version": "v2.0", "data": data}, "answers": predictions, "scores": scores}


def trivia_case(draw, script, dataset_utils, number):
    web, data, predictions = number % 2 == 1, [], {}
    for i in range(5):
        answers = [text(draw, 3) or "x" for _ in range(draw.randrange(1, 4))]
        answer = {"NormalizedAliases": answers}
        if draw.random() < 0.3:
            answer["HumanAnswers"] = [text(draw, 2)]
        datum = {"QuestionId": f"tc_{i}", "Answer": answer, "QuestionPartOfVerifiedEval": draw.random() < 0.5}
        datum["EntityPages"] = [{"Filename": "page.txt", "DocPartOfVerifiedEval": True}]
        datum["SearchResults"] = [{"Filename": f"{i}/{i}_{k}.txt", "DocPartOfVerifiedEval": draw.random() < 0.5}
                                  for k in range(2)] if web else []  # fmt: skip
        data.append(datum)
    data[0]["QuestionPartOfVerifiedEval"] = True
    questions = {"Version": 1.0, "Domain": "Web" if web else "Wikipedia", "VerifiedEval": number % 3 == 0, "Data": data}
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(questions, file)
        file.flush()
        truth = dataset_utils.get_key_to_ground_truth(dataset_utils.read_triviaqa_data(file.name))
    for key, answer in truth.items():
        if draw.random() < 0.9:
            predictions[key] = near(draw, answer["NormalizedAliases"])
    scores = script.evaluate_triviaqa(truth, predictions, mute=True)
    return {"kind": "triviaqa", "questions": questions, "answers": predictions, "scores": scores}


def hotpot_case(draw, script, number):
    questions, predictions = [], {"answer": {}, "sp": {}}
    titles = ["A", "B (film)", "\u00c9"]

    def facts():
        return [[draw.choice(titles), draw.randrange(3)] for _ in range(draw.randrange(0, 4))]

    for i in range(6):
        answer = draw.choice(["yes", "no", text(draw, 3), text(draw, 3)])
        wanted = facts()
        questions.append({"_id": f"h{i}", "answer": answer, "supporting_facts": wanted})
        if draw.random() < 0.9:
            predictions["answer"][f"h{i}"] = draw.choice(["yes", "No", near(draw, [answer]), near(draw, [answer])])
        if draw.random() < 0.9:
            predictions["sp"][f"h{i}"] = draw.choice([wanted, facts(), wanted[:1] + facts()])
    with tempfile.TemporaryDirectory() as name:
        gold, told = pathlib.Path(name) / "gold.json", pathlib.Path(name) / "told.json"
        gold.write_text(json.dumps(questions), encoding="utf-8")
        told.write_text(json.dumps(predictions), encoding="utf-8")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            script.eval(str(told), str(gold))
    scores = eval(printed.getvalue().strip().splitlines()[-1])  # the script prints a Python dictionary
    return {"kind": "hotpotqa", "questions": questions, "answers": predictions, "scores": scores}


def main():
    sys.modules["ujson"] = json  # what HotpotQA's script wants
    sys.modules["numpy"] = sys.modules.get("numpy") or types.ModuleType("numpy")
    squad = load(sys.argv[1], "squad")
    sys.path.insert(0, sys.argv[2])
    import utils.dataset_utils

    trivia = load(pathlib.Path(sys.argv[2]) / "evaluation" / "triviaqa_evaluation.py", "trivia")
    hotpot = load(sys.argv[3], "hotpot")
    output = pathlib.Path(sys.argv[4]) if len(sys.argv) > 4 else ROOT / "tests/golden/answers.json"
    draw, cases = random.Random(1), []
    for number in range(12):
        cases.append(squad_case(draw, squad, number))
        cases.append(trivia_case(draw, trivia, utils.dataset_utils, number))
        cases.append(hotpot_case(draw, hotpot, number))
    texts = WORDS + [text(draw, 6) for _ in range(80)]
    normal = [{"text": t, "squad": squad.normalize_answer(t), "triviaqa": trivia.normalize_answer(t)} for t in texts]
    content = json.dumps({"cases": cases, "normalized": normal}, separators=(",", ":"))
    output.write_text(content + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
