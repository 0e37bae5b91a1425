"""`viecomrec models fetch` against a local server that is shaped like the hub."""

import hashlib
import json
import shutil
from datetime import UTC, datetime

import pytest
from hub_server import COMMIT, running_hub
from tiny_models import write_phobert, write_sentiment

from automation import models
from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.adapters.language_models import LanguageModelFolders
from viecomrec.adapters.model_hub import ModelHub
from viecomrec.domain.language_models import PHOBERT, VISOBERT_SENTIMENT
from viecomrec.domain.results import Status
from viecomrec.errors import ArtifactError
from viecomrec.models.transformer_loading import load_phobert, load_sentiment_model
from viecomrec.pipelines.language_models import ModelTools, fetch, status

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    folders = {
        PHOBERT.model_id: write_phobert(root / "phobert"),
        VISOBERT_SENTIMENT.model_id: write_sentiment(root / "sentiment"),
    }
    # Files that nobody needs and one that nobody should run.
    (folders[PHOBERT.model_id] / "README.md").write_text("readme")
    (folders[PHOBERT.model_id] / "tf_model.h5").write_bytes(b"0" * 1000)
    (folders[VISOBERT_SENTIMENT.model_id] / "modeling_custom.py").write_text("boom")
    return folders


@pytest.fixture
def hub(published):
    with running_hub(published) as server:
        yield server


@pytest.fixture
def tools(tmp_path, hub) -> ModelTools:
    root = tmp_path / "embeddings"
    return ModelTools(
        folders=LanguageModelFolders(tmp_path / "models", None),
        hub=ModelHub(hub.url),
        embeddings=EmbeddingStore(root, root / "current.json", tmp_path / "view.pt"),
        revisions={PHOBERT.model_id: COMMIT, VISOBERT_SENTIMENT.model_id: "main"},
        now=lambda: NOW,
    )


def test_models_are_fetched_recorded_and_loadable(tools):
    result = fetch(tools)
    assert result.status is Status.SUCCESS
    home = tools.folders.home(PHOBERT)
    assert {file.name for file in home.iterdir()} == {
        "bpe.codes",
        "config.json",
        "pytorch_model.bin",
        "source.json",
        "vocab.txt",
    }
    source = json.loads((home / "source.json").read_text())
    weights = (home / "pytorch_model.bin").read_bytes()
    assert source["revision"] == COMMIT
    assert source["sha256"]["pytorch_model.bin"] == hashlib.sha256(weights).hexdigest()
    load_phobert(home)
    load_sentiment_model(tools.folders.home(VISOBERT_SENTIMENT))


def test_only_needed_files_are_asked_for(tools, hub):
    fetch(tools)
    asked = " ".join(hub.requests)
    assert not any(name in asked for name in ("README", "tf_model", "modeling_custom"))


def test_a_branch_is_resolved_to_its_commit(tools):
    fetch(tools)
    located = tools.folders.locate(VISOBERT_SENTIMENT, "main")
    assert located.revision == COMMIT


def test_what_is_here_already_is_not_fetched_again(tools, hub):
    fetch(tools)
    hub.requests.clear()
    assert fetch(tools).status is Status.SKIPPED
    # Nor is a branch resolved again: weights do not change behind the shop's back.
    assert hub.requests == []


def test_a_branch_that_moved_at_the_hub_still_means_the_commit_that_was_fetched(tools, hub):
    fetch(tools)
    hub.head = "d" * 40
    shutil.rmtree(tools.folders.home(VISOBERT_SENTIMENT))
    result = fetch(tools)
    assert [model["revision"] for model in result.models] == [COMMIT, COMMIT]
    assert tools.folders.locate(VISOBERT_SENTIMENT, "main").revision == COMMIT


def test_another_commit_of_a_pinned_branch_is_not_accepted(tools):
    fetch(tools)
    source = tools.folders.home(VISOBERT_SENTIMENT) / "source.json"
    source.write_text(source.read_text().replace(COMMIT, "d" * 40))
    with pytest.raises(ArtifactError, match=f"holds revision {'d' * 40}, not {COMMIT}"):
        tools.folders.locate(VISOBERT_SENTIMENT, "main")


def test_models_that_were_fetched_before_branches_were_pinned_are_pinned_as_they_are(tools, hub):
    fetch(tools)
    (tools.folders.home(PHOBERT).parent / "revisions.json").unlink()
    hub.head = "d" * 40
    assert fetch(tools).status is Status.SKIPPED
    assert tools.folders.resolved(VISOBERT_SENTIMENT, "main") == COMMIT


def test_another_branch_or_a_commit_in_the_settings_wins_over_the_pin(tools):
    fetch(tools)
    assert tools.folders.resolved(VISOBERT_SENTIMENT, "next") == "next"
    assert tools.folders.resolved(VISOBERT_SENTIMENT, "e" * 40) == "e" * 40


def test_a_damaged_record_of_the_pins_is_an_error_with_the_remedy(tools):
    fetch(tools)
    (tools.folders.home(PHOBERT).parent / "revisions.json").write_text("[1]")
    with pytest.raises(ArtifactError, match=r"revisions\.json is damaged.*models fetch"):
        tools.folders.locate(VISOBERT_SENTIMENT, "main")


def test_an_interrupted_download_continues_where_it_stopped(tools, hub):
    hub.breaks["pytorch_model.bin"] = 20_000
    with pytest.raises(ArtifactError, match=r"broke off.*continues where it stopped"):
        fetch(tools)
    assert not tools.folders.home(PHOBERT).exists()
    hub.breaks.clear()
    hub.ranges.clear()
    fetch(tools)
    assert ("pytorch_model.bin", "bytes=20000-") in hub.ranges
    assert ("pytorch_model.bin", "bytes=0-") not in hub.ranges
    load_phobert(tools.folders.home(PHOBERT))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "vocab.txt"])
def test_a_wrong_hash_is_refused_and_nothing_of_it_stays(tools, hub, name):
    hub.lies.add(name)
    with pytest.raises(ArtifactError, match="wrong hash"):
        fetch(tools)
    assert not tools.folders.home(PHOBERT).exists()
    hub.lies.clear()
    fetch(tools)
    load_phobert(tools.folders.home(PHOBERT))


def test_a_failed_fetch_leaves_the_former_model_in_place(tools, hub):
    fetch(tools)
    source = tools.folders.home(PHOBERT) / "source.json"
    source.write_text(source.read_text().replace(COMMIT, "d" * 40))
    hub.lies.add("pytorch_model.bin")
    with pytest.raises(ArtifactError):
        fetch(tools)
    assert tools.folders.locate(PHOBERT, "d" * 40).revision == "d" * 40
    hub.lies.clear()
    fetch(tools)
    assert tools.folders.locate(PHOBERT, COMMIT).revision == COMMIT


def test_an_unknown_revision_and_an_unreachable_hub_are_said_in_one_line(tools):
    unknown = ModelTools(
        **{**vars(tools), "revisions": {**tools.revisions, PHOBERT.model_id: "e" * 40}}
    )
    with pytest.raises(ArtifactError, match=f"at revision {'e' * 40} cannot be looked up"):
        fetch(unknown)
    offline = ModelTools(**{**vars(tools), "hub": ModelHub("http://127.0.0.1:9")})
    with pytest.raises(ArtifactError, match="Check the network"):
        fetch(offline)


def test_a_revision_without_a_needed_file_is_refused_before_downloading(tools, hub, published):
    vocabulary = published[PHOBERT.model_id] / "vocab.txt"
    content = vocabulary.read_bytes()
    vocabulary.unlink()
    try:
        with pytest.raises(ArtifactError, match=r"has no vocab\.txt"):
            fetch(tools)
    finally:
        vocabulary.write_bytes(content)
    assert not [request for request in hub.requests if "/resolve/" in request]


def test_status_says_what_is_missing_and_then_what_is_used(tools):
    before = status(tools)
    assert before.status is Status.WARNING
    assert "Not pinned to a commit: 5CD-AI/Vietnamese-Sentiment-visobert." in before.message
    assert "viecomrec models fetch" in before.message
    fetch(tools)
    after = status(tools)
    assert after.status is Status.SUCCESS
    assert [report["pinned_by"] for report in after.models] == ["settings", "revisions.json"]
    assert [report["revision"] for report in after.models] == [COMMIT, COMMIT]
    assert {report["place"] for report in after.models} == {"models folder"}


def test_the_verb_takes_hub_folder_and_revision_from_the_settings(
    hub, tmp_path, monkeypatch, capsys
):
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("VIECOMREC_LANGUAGE_MODELS__HUB", hub.url)
    monkeypatch.setenv("VIECOMREC_LANGUAGE_MODELS__FOLDER", "weights")
    monkeypatch.setenv("VIECOMREC_LANGUAGE_MODELS__USE_HUB_CACHE", "false")
    monkeypatch.setenv("VIECOMREC_EMBEDDINGS__REVISION", COMMIT)
    monkeypatch.setenv("VIECOMREC_COMMENTS__REVISION", COMMIT)
    assert models.main(["status"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "warning"
    assert models.main(["fetch"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "success"
    assert (tmp_path / "weights" / "vinai--phobert-base" / "source.json").is_file()
    assert models.main(["status"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "success"


def test_a_fetch_that_fails_exits_1_with_one_json_object(tmp_path, monkeypatch, capsys):
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("VIECOMREC_LANGUAGE_MODELS__HUB", "http://127.0.0.1:9")
    assert models.main(["fetch"]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "failed"
