"""The guide's section 2, line by line: flags, configuration, artifacts, registry."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from installation import N_PRODUCTS, N_TRAINABLE, write_embeddings, write_snapshot

from automation import data_refresh, model_training
from viecomrec.adapters.checkpoints import CheckpointStore
from viecomrec.bootstrap import Installation, utc_now
from viecomrec.domain import selection
from viecomrec.domain import snapshots as layout
from viecomrec.models.co_purchase import CO_PURCHASES, CoPurchase
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines import model_training as pipeline
from viecomrec.pipelines.training_parts import TrainingRequest
from viecomrec.settings import Settings


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Installation:
    """A shop with a snapshot and embeddings, and nothing trained yet."""
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("PROJECT_DIR", str(tmp_path))
    installation = Installation(ProjectPaths(tmp_path), Settings(), utc_now)
    write_snapshot(installation)
    write_embeddings(installation)
    return installation


@pytest.fixture
def command(capsys):
    def run(*flags: str) -> tuple[int, dict]:
        capsys.readouterr()  # what a test ran without a door went to the same place
        code = model_training.main(list(flags))
        return code, json.loads(capsys.readouterr().out)

    return run


def registered(shop: Installation) -> dict:
    return json.loads(shop.paths.registry_file.read_text(encoding="utf-8"))


def test_the_configuration_has_the_keys_and_values_of_the_guide():
    from automation.model_training import TRAINING_CONFIG

    assert TRAINING_CONFIG["als"] == {
        "factors": 64,
        "regularization": 0.1,
        "iterations": 15,
        "alpha": 5,
        "use_gpu": False,
        "use_bert_init": True,
        "bert_init_cold_threshold": 5,
    }
    assert TRAINING_CONFIG["bpr"] == {
        "factors": 64,
        "learning_rate": 0.05,
        "regularization": 0.0001,
        "epochs": 50,
        "neg_sample_ratio": 0.3,
    }
    assert TRAINING_CONFIG["early_stopping"] == {
        "enabled": True,
        "patience": 5,
        "min_delta": 0.001,
    }


@pytest.mark.parametrize(
    ("flag", "kinds"), [("als", {"als"}), ("bpr", {"bpr"}), ("both", {"als", "bpr"})]
)
def test_a_model_folder_holds_what_the_guide_lists(shop, command, flag, kinds):
    code, result = command("--model", flag)
    assert (code, result["status"]) == (0, "success")
    assert {model_id[:3] for model_id in result["models"]} == kinds
    for model_id in result["models"]:
        assert re.fullmatch(r"(als|bpr)_\d{8}_v\d+", model_id)
        kind = model_id[:3]
        folder = shop.paths.models / kind / model_id
        names = {file.name for file in folder.iterdir()}
        assert names >= {"U.npy", "V.npy", "params.json", "metrics.json", "metadata.json"}
        users, items = np.load(folder / "U.npy"), np.load(folder / "V.npy")
        assert (users.shape, users.dtype) == ((N_TRAINABLE, 64), np.float32)
        assert (items.shape, items.dtype) == ((N_PRODUCTS, 64), np.float32)
        params = json.loads((folder / "params.json").read_text(encoding="utf-8"))
        assert params["model_type"] == kind
        assert params["config"] == model_training.TRAINING_CONFIG[kind]
        assert (folder / "item_bias.npy").exists() == (kind == "bpr")
        metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        assert metadata["snapshot_version"] == shop.snapshots.require_current().version
        assert (metadata["n_users"], metadata["n_items"]) == (N_TRAINABLE, N_PRODUCTS)
    assert set(registered(shop)["models"]) == set(result["models"])


def test_the_guide_configuration_is_trained_and_the_tuned_one_says_what_was_tried(shop, command):
    _, result = command()
    recipes = {
        (artifact.params["model_type"], artifact.params["recipe"]["name"]): artifact.params
        for artifact in map(shop.models.load, shop.registry.read().models.values())
    }
    assert set(recipes) == {(m, name) for m in ("als", "bpr") for name in ("guide", "tuned")}
    solver = recipes["als", "guide"]["solver"]
    assert (solver["alpha"], solver["unobserved_weight"]) == (5, 1)
    assert (solver["regularization"], solver["regularization_exponent"]) == (0.1, 0)
    recipe = recipes["bpr", "guide"]["recipe"]
    assert (recipe["learning_rate"], recipe["epochs"], recipe["patience"]) == (0.05, 50, 5)
    for kind, n_tried in (("als", 12), ("bpr", 4)):
        tried = recipes[kind, "tuned"]["tried"]
        assert len(tried) >= n_tried
        assert tried[0]["ndcg@10"] == max(trial["ndcg@10"] for trial in tried)
    assert set(result["models"]) == set(shop.registry.read().models)
    for params in recipes.values():
        blend = params["blend"]
        assert CoPurchase(**blend["co_purchase"]) in CO_PURCHASES
        chosen = {name: blend[name] for name in ("weights", "co_purchase")}
        assert chosen == {name: blend["tried"][0][name] for name in chosen}


def test_metrics_stand_beside_popularity_on_both_parts(shop, command):
    command()
    for record in shop.registry.read().models.values():
        metrics = shop.models.load(record).metrics
        for part in ("validation", "test"):
            popular = metrics["baselines"]["popularity"][part]
            assert {"recall@10", "ndcg@10", "mrr@10"} <= set(metrics[part]) & set(popular)
            assert metrics[part]["n_users"] == metrics["n_users"][part] > 0
        assert record.metrics["recall@10"] == metrics["test"]["recall@10"]


def test_the_table_holds_the_baselines_and_a_picture_lies_beside_it(shop, command):
    _, result = command("--model", "als")
    for model_id in result["models"]:
        folder = shop.paths.models / "als" / model_id
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        assert set(metrics["baselines"]) == {"popularity", "item_knn", "ease"}
        for table in (metrics, metrics["factors"], *metrics["baselines"].values()):
            for name in ("recall", "ndcg", "mrr", "map"):
                assert {f"{name}@{k}" for k in (5, 10, 20)} <= set(table["test"])
            assert {"coverage@10", "novelty@10", "diversity@10"} <= set(table["test"])
        assert metrics["test_by_activity"]
        assert metrics["test_by_warmth"]
        interval = metrics["test_ndcg@10_above"]["ease"]
        assert interval["low"] <= interval["difference"] <= interval["high"]
        assert model_id in (folder / "comparison.svg").read_text(encoding="utf-8")


def test_the_first_model_above_popularity_becomes_current_best(shop, command):
    _, result = command()
    best = registered(shop)["current_best"]
    assert best == result["current_best"] is not None
    assert shop.registry.read().record(best).above_popularity is True


def test_without_new_data_training_is_skipped_and_force_trains_anyway(shop, command):
    command()
    before = registered(shop)
    code, result = command()
    assert (code, result["status"]) == (0, "skipped")
    assert "No new data" in result["message"]
    assert registered(shop) == before
    code, result = command("--force")
    assert (code, result["status"]) == (0, "success")
    assert len(registered(shop)["models"]) == 2 * len(before["models"])


def test_new_data_is_trained_without_force(shop, command):
    command()
    write_snapshot(shop, n_extra_products=1)
    code, result = command()
    assert (code, result["status"]) == (0, "success")


def test_versions_count_up_within_the_day(shop, command):
    _, first = command()
    _, second = command("--force")
    for kind in ("als", "bpr"):
        names = [name for name in [*first["models"], *second["models"]] if name[:3] == kind]
        versions = [int(name.rsplit("_v", 1)[1]) for name in names]
        assert versions == list(range(1, len(versions) + 1))


def test_skip_eval_registers_and_never_promotes(shop, command):
    code, result = command("--skip-eval")
    assert (code, result["status"]) == (0, "success")
    registry = shop.registry.read()
    assert registry.current_best is None
    assert len(registry.models) == 2
    for record in registry.models.values():
        assert record.above_popularity is None
        assert shop.models.load(record).metrics == {"evaluated": False}


def test_auto_select_chooses_the_best_by_validation_ndcg(shop, command):
    _, result = command("--auto-select")
    validation = {name: m["validation_ndcg@10"] for name, m in result["models"].items()}
    assert result["current_best"] == max(validation, key=validation.__getitem__)


def test_auto_select_keeps_the_recipe_of_the_champion_on_the_current_data(shop, command):
    command("--auto-select")
    _, result = command("--auto-select", "--force")
    assert result["current_best"] in result["models"]
    assert "champion" in result["reason"]


def test_auto_select_after_a_plain_run_registers_no_model_twice(shop, command):
    _, first = command()
    code, second = command("--auto-select")
    assert (code, second["status"]) == (0, "success")
    assert set(second["models"]) == set(first["models"]) == set(registered(shop)["models"])
    assert "registered already" in second["message"]
    folders = {
        folder.name for kind in ("als", "bpr") for folder in (shop.paths.models / kind).iterdir()
    }
    assert folders == set(first["models"])
    assert all(one["auto_selected"] for one in registered(shop)["models"].values())
    assert command("--auto-select")[1]["status"] == "skipped"


def test_a_model_that_was_damaged_is_made_anew_instead_of_found_again(shop, command):
    _, first = command("--model", "als")
    damaged = shop.paths.models / "als" / min(first["models"]) / "V.npy"
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-8])
    code, second = command("--model", "als", "--auto-select")
    assert (code, second["status"]) == (0, "success")
    assert damaged.parent.name not in second["models"]
    assert len(set(second["models"]) - set(first["models"])) == 1
    shop.models.load(shop.registry.read().record(second["current_best"]))


@pytest.mark.parametrize(("winner", "n_kept"), [("the challenger", 2), ("the champion", 3)])
def test_a_champion_of_other_make_is_refitted_and_kept_only_if_it_wins(
    shop, command, monkeypatch, winner, n_kept
):
    command("--model", "als", "--auto-select")
    training = {"training": {"als": {"factors": 32}}}
    shop.paths.settings_file.write_text(json.dumps(training), encoding="utf-8")

    def choose(contenders, champion, rng):
        return contenders[-1 if winner == "the champion" else 0], "asked for by the test"

    monkeypatch.setattr(selection, "choose_champion", choose)
    _, result = command("--model", "als", "--auto-select")
    assert len(result["models"]) == n_kept
    assert set(result["models"]) <= set(registered(shop)["models"])
    assert len(registered(shop)["models"]) == 2 + n_kept
    assert {path.name for path in (shop.paths.models / "als").iterdir()} == set(
        registered(shop)["models"]
    )
    best = shop.models.load(shop.registry.read().record(result["current_best"]))
    assert best.factors.item.shape[1] == (64 if winner == "the champion" else 32)


def test_warmstart_goes_on_from_the_previous_models_and_says_so(shop, command):
    _, first = command()
    write_snapshot(shop, n_extra_products=1)
    code, result = command("--warmstart")
    assert (code, result["status"]) == (0, "success")
    for model_id in result["models"]:
        artifact = shop.models.load(shop.registry.read().record(model_id))
        assert artifact.metadata["warm_started_from"] in first["models"]
        assert artifact.metadata["n_items"] == N_PRODUCTS + 1


def test_warmstart_without_a_previous_model_is_a_cold_start(shop, command):
    code, result = command("--warmstart", "--model", "als")
    assert (code, result["status"]) == (0, "success")
    for model_id in result["models"]:
        artifact = shop.models.load(shop.registry.read().record(model_id))
        assert artifact.metadata["warm_started_from"] is None


def test_pitfall_09_a_warm_start_that_fails_is_a_failed_run(shop, command):
    command("--model", "als")
    before = registered(shop)
    settings = {"training": {"als": {"factors": 32}}}
    shop.paths.settings_file.write_text(json.dumps(settings), encoding="utf-8")
    code, result = command("--model", "als", "--warmstart")
    assert (code, result["status"]) == (1, "failed")
    assert "64 factors" in result["message"]
    assert registered(shop) == before


@pytest.mark.parametrize(
    ("change", "is_warm"), [({"model": "another"}, False), ({"space": "other texts"}, True)]
)
def test_a_warm_start_never_goes_on_from_another_encoder(shop, command, change, is_warm):
    command("--model", "als")
    current = shop.embeddings.current()
    kept = current.manifest.model_dump(include={"model", "revision", "space"})
    shop.embeddings.publish(
        current.product_ids,
        current.vectors,
        current.text_hashes,
        described={**kept, **change},
        at=utc_now(),
    )
    code, result = command("--model", "als", "--warmstart")
    assert (code, result["status"]) == (0, "success")
    for model_id in result["models"]:
        artifact = shop.models.load(shop.registry.read().record(model_id))
        assert (artifact.metadata["warm_started_from"] is not None) == is_warm
        assert (result["warm_started_from"][model_id] is not None) == is_warm


@pytest.mark.parametrize("flags", [("--auto-select",), ("--warmstart",)])
def test_a_damaged_champion_does_not_stop_the_training_that_replaces_it(shop, command, flags):
    _, first = command("--model", "als")
    folder = shop.paths.models / "als" / first["current_best"]
    factors = folder / "V.npy"
    content = bytearray(factors.read_bytes())
    content[-1] ^= 0xFF
    factors.chmod(0o644)
    factors.write_bytes(content)
    code, result = command("--model", "als", "--force", *flags)
    assert (code, result["status"]) == (0, "success")
    if "--auto-select" in flags:
        assert result["current_best"] in result["models"]


def test_pitfall_09_one_trainer_that_fails_fails_the_run_whatever_the_other_did(shop, command):
    settings = {"training": {"bpr": {"learning_rate": 1e30}}}
    shop.paths.settings_file.write_text(json.dumps(settings), encoding="utf-8")
    code, result = command("--model", "both")
    assert (code, result["status"]) == (1, "failed")
    assert "diverged" in result["message"]
    assert not shop.paths.registry_file.exists()
    assert command("--model", "als")[0] == 0


def test_use_bert_init_false_starts_at_random(shop, command):
    settings = {"training": {"als": {"use_bert_init": False}}}
    shop.paths.settings_file.write_text(json.dumps(settings), encoding="utf-8")
    _, result = command()
    for model_id in result["models"]:
        artifact = shop.models.load(shop.registry.read().record(model_id))
        assert artifact.metadata["content_initialised"] is False
        assert artifact.metadata["n_cold_items_from_text"] == 0


def test_bpr_stops_early_by_patience_and_takes_the_share_of_hard_negatives(shop, command):
    bpr = {"epochs": 40, "neg_sample_ratio": 0.5}
    training = {"bpr": bpr, "early_stopping": {"patience": 2, "min_delta": 0.5}}
    shop.paths.settings_file.write_text(json.dumps({"training": training}), encoding="utf-8")
    _, result = command("--model", "bpr")
    recipes = {
        artifact.params["recipe"]["name"]: artifact.params
        for artifact in map(shop.models.load, shop.registry.read().models.values())
    }
    assert set(recipes) == {"guide", "tuned"}
    guide = recipes["guide"]
    assert guide["recipe"]["neg_sample_ratio"] == 0.5
    # No epoch gains half an NDCG over the first: two more, and it is over.
    assert len(guide["validation_ndcg@10_per_epoch"]) == 3
    assert guide["best_epoch"] <= 3
    assert set(result["models"]) == set(shop.registry.read().models)


def test_auto_select_with_skip_eval_is_refused(shop, command):
    code, result = command("--auto-select", "--skip-eval")
    assert (code, result["status"]) == (2, "failed")
    assert "--auto-select" in result["message"]
    assert not shop.paths.registry_file.exists()


def test_an_unknown_model_is_refused(shop, capsys):
    with pytest.raises(SystemExit) as stopped:
        model_training.main(["--model", "svd"])
    assert stopped.value.code == 2
    assert "'als', 'bpr', 'both'" in capsys.readouterr().err.replace(
        "als, bpr, both", "'als', 'bpr', 'both'"
    )


def test_without_a_snapshot_the_message_says_what_to_run(tmp_path, monkeypatch, command):
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("PROJECT_DIR", str(tmp_path))
    code, result = command()
    assert code == 1
    assert "python -m automation.data_refresh" in result["message"]


def test_a_gpu_that_this_version_does_not_use_is_an_error_of_configuration(shop, command):
    settings = {"training": {"als": {"use_gpu": True}}}
    shop.paths.settings_file.write_text(json.dumps(settings), encoding="utf-8")
    code, result = command()
    assert (code, result["status"]) == (2, "failed")
    assert "use_gpu" in result["message"]


def test_without_embeddings_training_starts_at_random_and_says_so(shop, command):
    shop.paths.embeddings_pointer.unlink()
    code, _ = command()
    assert code == 0
    for record in shop.registry.read().models.values():
        metadata = shop.models.load(record).metadata
        assert metadata["content_initialised"] is False
        assert metadata["embedding_version"] is None


def test_a_failed_training_registers_nothing_and_leaves_the_champion(shop, command):
    _, first = command()
    before = registered(shop)
    write_snapshot(shop, n_extra_products=2)
    matrix = shop.snapshots.require_current().folder / layout.CONFIDENCE_MATRIX
    matrix.chmod(0o644)
    content = bytearray(matrix.read_bytes())
    content[len(content) // 2] ^= 0xFF
    matrix.write_bytes(content)
    code, result = command()
    assert (code, result["status"]) == (1, "failed")
    assert registered(shop) == before
    assert registered(shop)["current_best"] == first["current_best"]


REVIEWS_OF_NO_USE = {
    "nobody likes anything": (
        [(user, product, 2, day) for user in range(4) for day, product in enumerate("abc", 1)],
        "one of them positive (rating 4 or 5, or a purchase)",
    ),
    "one user": (
        [(7, product, 5, day) for day, product in enumerate("abc", 1)],
        "at least 2 trainable users",
    ),
    "one product": (
        [(user, "a", 5, 1 + user) for user in range(4)],
        "at least 2 trainable users",
    ),
    "nothing to hold out": (
        [(user, product, 5, 1) for user in range(4) for product in "abc"],
        "without with: --skip-eval",
    ),
}


@pytest.mark.parametrize("kind", REVIEWS_OF_NO_USE)
def test_a_shop_that_gives_nothing_to_learn_from_is_told_so_and_keeps_its_champion(
    shop, command, capsys, kind
):
    command("--model", "als")
    before = registered(shop)
    rows, message = REVIEWS_OF_NO_USE[kind]
    published = shop.paths.published_data
    published.mkdir(parents=True)
    reviews = [
        f"{user},{product},{rating},2026-01-{day:02d} 10:00:00,tốt {product}"
        for user, product, rating, day in rows
    ]
    header = "user_id,product_id,rating,cmt_date,comment"
    (published / "data_reviews_purchase.csv").write_text(
        "\n".join([header, *reviews]) + "\n", encoding="utf-8"
    )
    products = ["product_id,product_name", *(f"{one},Sữa rửa mặt {one}" for one in "abc")]
    (published / "data_product.csv").write_text("\n".join(products) + "\n", encoding="utf-8")
    assert data_refresh.main(["--force-full"]) == 0, capsys.readouterr().out
    code, result = command("--model", "als", "--auto-select")
    assert (code, result["status"]) == (1, "failed")
    assert message in result["message"]
    assert registered(shop) == before
    assert before["current_best"] is not None


def test_pitfall_07_embeddings_that_are_not_numbers_stop_the_training(shop):
    tools = shop.training_tools()
    broken = shop.embeddings.current()
    broken.vectors[3, 0] = np.nan

    class Broken:
        def current(self):
            return broken

    with pytest.raises(Exception, match="not finite, first 'p3'"):
        pipeline.run(TrainingRequest(), replace(tools, embeddings=Broken()))
    assert not shop.paths.registry_file.exists()


@pytest.mark.parametrize(("kind", "first_run"), [("als", [5, 10]), ("bpr", [5, 10])])
def test_a_killed_training_goes_on_from_its_checkpoint_and_ends_with_the_same_bytes(
    shop, monkeypatch, kind, first_run
):
    tools = shop.training_tools()
    patient = {**tools.config["early_stopping"], "enabled": False}
    tools = replace(tools, config={**tools.config, "early_stopping": patient})
    request = TrainingRequest(model=kind, skip_eval=True)
    save, saves = CheckpointStore.save, []

    def save_and_count(self, model_type, key, arrays):
        save(self, model_type, key, arrays)
        saves.append(int(arrays["iteration"] if kind == "als" else arrays["state_epoch"]))
        if kill_at is not None and len(saves) == kill_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointStore, "save", save_and_count)
    kill_at = None
    pipeline.run(replace(request, force=True), tools)
    whole = saves.copy()
    saves.clear()
    kill_at = 2
    shop.registry.update(lambda registry: registry.model_copy(update={"models": {}}))
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(request, tools)
    kill_at = None
    pipeline.run(request, tools)
    assert saves[:2] == first_run
    assert saves == whole, "the second run did not go on where the first was killed"
    folders = sorted((shop.paths.models / kind).iterdir())
    for name in ("U.npy", "V.npy"):
        assert (folders[0] / name).read_bytes() == (folders[-1] / name).read_bytes()
    assert list((shop.paths.checkpoints / kind).iterdir()) == []


def test_a_corrupt_checkpoint_is_named_and_force_starts_anew(shop, command, monkeypatch):
    tools = shop.training_tools()
    save = CheckpointStore.save

    def save_once(self, model_type, key, arrays):
        save(self, model_type, key, arrays)
        raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointStore, "save", save_once)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(TrainingRequest(model="als", skip_eval=True), tools)
    monkeypatch.setattr(CheckpointStore, "save", save)
    (file,) = (shop.paths.checkpoints / "als").iterdir()
    file.write_bytes(file.read_bytes()[:-30])
    code, result = command("--model", "als", "--skip-eval")
    assert (code, result["status"]) == (1, "failed")
    assert file.name in result["message"]
    assert not shop.paths.registry_file.exists()
    assert command("--model", "als", "--skip-eval", "--force")[0] == 0
