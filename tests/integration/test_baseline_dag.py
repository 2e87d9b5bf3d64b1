"""The baseline DAG: from datasets, from Model Monitor's documents, and its refusals."""

import json

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]

POINTER = "baselines/flights/data_quality/current.json"


def versions(world):
    return [entry["version"] for entry in json.loads(world.read(POINTER))["history"]]


def test_every_endpoint_that_names_a_source_gets_a_baseline(world):
    for name in ("flights", "churn"):
        world.endpoint(name)
        world.dataset(name)
    world.endpoint("unsourced", baseline=None)
    run = world.run("baseline")
    assert str(run.state) == "success"
    labels = sorted(ti.rendered_map_index for ti in run.get_task_instances() if ti.task_id == "build")
    assert labels == ["churn data_quality", "flights data_quality"]
    (version,) = versions(world)
    manifest = json.loads(world.read(f"baselines/flights/data_quality/{version}/manifest.json"))
    assert (manifest["row_count"], manifest["source"], manifest["model_version"]) == (
        2000,
        f"s3://{world.captures}/train/flights.csv",
        "1",
    )
    constraints = json.loads(world.read(f"baselines/flights/data_quality/{version}/constraints.json"))
    assert [feature["name"] for feature in constraints["features"]] == ["late", "delay", "distance", "carrier"]

    world.run("baseline")
    assert versions(world) == [version]
    world.dataset(rows=2001)
    world.run("baseline", endpoints=["flights"])
    assert len(versions(world)) == 2


def test_existing_documents_are_taken_over_with_their_edits(watched):
    version = versions(watched)[0]
    folder = f"baselines/flights/data_quality/{version}"
    constraints = json.loads(watched.read(f"{folder}/constraints.json"))
    constraints["features"][1]["completeness"] = 0.5
    watched.put("mine/statistics.json", watched.read(f"{folder}/statistics.json"))
    watched.put("mine/constraints.json", json.dumps(constraints))
    run = watched.run(
        "baseline",
        endpoints=["flights"],
        import_statistics=f"s3://{watched.captures}/mine/statistics.json",
        import_constraints=f"s3://{watched.captures}/mine/constraints.json",
    )
    assert str(run.state) == "success"
    newest = versions(watched)[-1]
    taken = json.loads(watched.read(f"baselines/flights/data_quality/{newest}/constraints.json"))
    assert taken == constraints


def test_a_format_alone_is_laid_over_the_files_dataset(world):
    world.endpoint(baseline={"dataset": f"s3://{world.captures}/train/flights.csv", "format": "parquet"})
    world.dataset()
    assert str(world.run("baseline", endpoints=["flights"], format="csv").state) == "success"
    assert len(versions(world)) == 1


def test_an_earlier_version_is_put_in_force_again(watched):
    first = versions(watched)[0]
    watched.dataset(rows=2001)
    watched.run("baseline")
    second = versions(watched)[1]
    for _ in range(2):
        assert str(watched.run("baseline", endpoints=["flights"], use_version=first).state) == "success"
        assert versions(watched) == [first, second, first]
        assert json.loads(watched.read(POINTER))["current"] == first


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"use_version": "20261120T120000Z-1a2b3c4d"}, "name exactly one in endpoints"),
        ({"endpoints": ["flights"], "use_version": "20261120T120000Z-1a2b3c4d"}, "was ever in force. The newest are"),
        (
            {"endpoints": ["flights"], "use_version": "20261120T120000Z-1a2b3c4d", "format": "csv"},
            "both use_version and a source are given",
        ),
        ({"endpoints": ["nobody"]}, "nobody: no such endpoint file"),
        ({"dataset": "s3://bucket-x/train.csv"}, "name exactly one in endpoints"),
        (
            {
                "endpoints": ["flights"],
                "format": "csv",
                "import_statistics": "s3://{captures}/s.json",
                "import_constraints": "s3://{captures}/c.json",
            },
            "documents that are taken over have none",
        ),
        ({"endpoints": ["flights"], "format": "parquet"}, "not readable as Parquet"),
        ({"endpoints": ["flights"], "dataset": "s3://{captures}/missing.csv"}, "there is no such object"),
        ({"endpoints": ["flights"], "dataset": "s3://{captures}/train"}, "does not tell its format"),
    ],
)
def test_a_run_that_cannot_be_says_why(watched, capsys, params, fault):
    filled = {
        name: value.format(captures=watched.captures) if isinstance(value, str) else value
        for name, value in params.items()
    }
    before = watched.stored()
    run = watched.run("baseline", **filled)
    assert str(run.state) == "failed"
    assert fault in capsys.readouterr().out
    assert watched.stored() == before
