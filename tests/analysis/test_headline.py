from __future__ import annotations

import pandas as pd

from blockfront.analysis import family_table, headline


def test_the_first_sentence_says_who_owns_the_front_and_how_sure_that_is(study):
    first, second = family_table(study).iloc[0], family_table(study).iloc[1]
    sentence = headline(study)[0]
    assert sentence.startswith(f"{first['family']} owns the largest share of the front ({first['on_front']} of ")
    assert f"{100 * first['share']:.0f} %, 95 % interval {100 * first['share_low']:.0f} to" in sentence
    assert ("does not settle the order" in sentence) == (second["share_high"] >= first["share_low"])


def test_a_study_of_which_every_network_was_rejected_says_so(study):
    outside = study.assign(state="rejected", rejected="latency_ms is outside 0 to 1").iloc[:3]
    assert headline(outside) == [
        "Nothing to compare: 3 of 3 networks did not meet their space's constraints (latency_ms is outside 0 to 1)."
    ]


def test_a_prediction_is_called_one(make_study):
    assert headline(make_study())[-1] == "Latency is predicted by roofline: no rk3399 was measured."
    assert "predicted" not in " ".join(headline(make_study(source="measured")))


def test_few_networks_a_family_are_not_ranked(make_study):
    assert headline(make_study(20))[0].startswith("Not enough networks to rank families: 20 networks over ")


def test_fewer_than_five_networks_are_not_compared(make_study):
    assert headline(make_study(4))[0].startswith("Not enough networks to compare: 4 of 4 have both")


def test_what_is_missing_is_said(make_study):
    study = make_study(30)
    assert headline(study.head(0)) == ["No networks yet."]
    assert headline(study.assign(latency_ms=None))[0].startswith("No latency yet")
    assert headline(study.assign(top1=None))[0].startswith("No accuracy yet, so there is no front: 30 networks")


def test_a_clear_lead_is_stated_with_its_interval():
    rows = [
        (f"{family}{i}", family, 1.0 + i, top1 + i / 1000)
        for i in range(30)
        for family, top1 in (("good", 0.80), ("poor", 0.70))
    ]
    study = pd.DataFrame(rows, columns=["network_id", "family", "latency_ms", "top1"])
    study[["latency_source", "target"]] = ["measured", "host"]
    (sentence,) = [line for line in headline(study) if line.startswith("Within ")]
    assert "good reaches" in sentence
    assert "10.0 points more than poor (95 % interval 9." in sentence
    assert "settle" not in sentence


def test_a_study_of_one_family_is_not_called_an_owner(study):
    sentences = headline(study[study["family"] == "ir"])
    assert sentences[0].startswith("The front holds ")
    assert "from 1 family" in sentences[0]


def test_families_with_as_many_networks_on_the_front_are_named_together():
    places = [(name, i, 2 * i + j) for i in range(3) for j, name in enumerate(("ds", "ir"))]
    rows = [(f"{name}{i}", name, 1.0 + place, 0.5 + place / 20) for name, i, place in places]
    study = pd.DataFrame([*rows, ("er0", "er", 9.0, 0.1)], columns=["network_id", "family", "latency_ms", "top1"])
    study[["latency_source", "target"]] = ["measured", "host"]
    assert "have the most of the front (3 of 6 networks each), which" in headline(study)[0]
    assert {"ds", "ir"} < set(headline(study)[0].split())
