"""Where snapshots, models and settings of a shop are kept, here or in an object store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from viecomrec.bootstrap.hosts import Hosts

if TYPE_CHECKING:
    from viecomrec.adapters.admin_token import AdminToken
    from viecomrec.adapters.dead_man_switch import DeadManSwitch
    from viecomrec.adapters.deployment_journal import DeploymentJournal
    from viecomrec.adapters.embeddings import EmbeddingStore
    from viecomrec.adapters.erased_users import ErasedUsersFile
    from viecomrec.adapters.installation_id import InstallationId
    from viecomrec.adapters.language_models import LanguageModelFolders
    from viecomrec.adapters.ledger import Ledger
    from viecomrec.adapters.registry import ModelStore, RegistryStore
    from viecomrec.adapters.service_client import ServiceClient
    from viecomrec.adapters.shared_artifacts import Artifacts
    from viecomrec.adapters.sharing import Kept, KeptFile, KeptFolders
    from viecomrec.adapters.snapshots import SnapshotStore
    from viecomrec.pipelines.alerting import Alerting
    from viecomrec.pipelines.artifact_upload import UploadTools


@dataclass(frozen=True)
class Stores(Hosts):
    """Where snapshots, models and settings of a shop are kept, here or in an object store."""

    @cached_property
    def artifacts(self) -> "Artifacts":
        """The folder alone, or the object store that `ARTIFACT_URL` names.

        Where hosts share a database, nothing is published by a process that lost its lease.
        """
        if self.postgres is None:
            return self._artifacts()
        from viecomrec.adapters.fenced import FencedArtifacts

        return FencedArtifacts(self._artifacts(), self.require_leases)

    def _artifacts(self) -> "Artifacts":
        from viecomrec.adapters.shared_artifacts import OwnArtifacts, SharedArtifacts

        url, numbers = self.settings.artifact_url, self.settings.artifact_store
        if url is None:
            return OwnArtifacts()
        from viecomrec.adapters.object_store import ObjectStore

        store = ObjectStore(
            url,
            timeout_seconds=min(numbers.timeout_seconds, numbers.look_seconds)
            if self.is_patient
            else numbers.timeout_seconds,
            retry_seconds=0 if self.is_patient else numbers.retry_seconds,
        )
        return SharedArtifacts(store, self.paths.artifact_store_notes, is_patient=self.is_patient)

    def kept_snapshots(self) -> "Kept":
        paths = self.paths
        return self.artifacts.versions("snapshots", paths.snapshots, paths.snapshot_pointer)

    def kept_embeddings(self) -> "Kept":
        paths = self.paths
        return self.artifacts.versions("embeddings", paths.embeddings, paths.embeddings_pointer)

    def kept_scorers(self) -> "Kept":
        return self.artifacts.versions("scorers", self.paths.scorers, self.paths.scorer_pointer)

    def kept_models(self) -> "Mapping[str, KeptFolders]":
        return self.artifacts.models(self.paths.models)

    @cached_property
    def kept_registry(self) -> "KeptFile":
        return self.artifacts.file("registry.json", self.paths.registry_file)

    def upload_tools(self) -> "UploadTools":
        from viecomrec.adapters.erased_users import MODE
        from viecomrec.pipelines.artifact_upload import UploadTools

        paths, artifacts = self.paths, self.artifacts
        versions = (self.kept_scorers(), self.kept_embeddings(), self.kept_snapshots())
        return UploadTools(
            url=artifacts.url,
            folders=(*(one.folders for one in versions), *self.kept_models().values()),
            files=(
                artifacts.file("installation.json", paths.installation_file),
                artifacts.file("erased_users.json", paths.erased_users_file, MODE),
                *(one.pointer for one in versions),
                self.kept_registry,
            ),
        )

    def bring_all(self) -> None:
        """Have everything here that is in force: what a backup takes."""
        if self.artifacts.url is None:
            return
        self.look_for_news()
        for record in self.registry.read().models.values():
            self.kept_models()[record.model_type].bring(record.model_id)

    def look_for_news(self) -> None:
        """Bring what other hosts have published, and respect whom they erased."""
        self.erased_users.pull()
        self.snapshots.current()
        self.embeddings.current()

    def forget_removed(self) -> None:
        """Delete what other hosts have deleted from the shared store."""
        versions = (self.kept_snapshots(), self.kept_embeddings(), self.kept_scorers())
        for folders in (*(one.folders for one in versions), *self.kept_models().values()):
            folders.forget_removed()

    @cached_property
    def snapshots(self) -> "SnapshotStore":
        from viecomrec.adapters.snapshots import SnapshotStore

        return SnapshotStore(
            self.paths.snapshots,
            self.paths.snapshot_pointer,
            self.paths.processed,
            self.kept_snapshots(),
        )

    @cached_property
    def embeddings(self) -> "EmbeddingStore":
        from viecomrec.adapters.embeddings import EmbeddingStore

        return EmbeddingStore(
            self.paths.embeddings,
            self.paths.embeddings_pointer,
            self.paths.product_embeddings_file,
            self.kept_embeddings(),
        )

    @cached_property
    def registry(self) -> "RegistryStore":
        from viecomrec.adapters.registry import RegistryStore

        return RegistryStore(self.paths.registry_file, self.now, self.kept_registry)

    @cached_property
    def models(self) -> "ModelStore":
        from viecomrec.adapters.registry import ModelStore

        return ModelStore(self.paths.models, self.kept_models())

    @cached_property
    def installation_id(self) -> "InstallationId":
        from viecomrec.adapters.installation_id import InstallationId

        file = self.paths.installation_file
        return InstallationId(file, self.artifacts.file("installation.json", file))

    @cached_property
    def erased_users(self) -> "ErasedUsersFile":
        from viecomrec.adapters.erased_users import MODE, ErasedUsersFile

        file = self.paths.erased_users_file
        return ErasedUsersFile(file, self.artifacts.file("erased_users.json", file, MODE))

    @cached_property
    def admin_token(self) -> "AdminToken":
        from viecomrec.adapters.admin_token import AdminToken

        return AdminToken(self.paths.admin_token_file, self.settings.admin_token)

    @cached_property
    def ledger(self) -> "Ledger":
        from viecomrec.adapters.ledger import Ledger

        return Ledger(self._run_database(), self.paths.locks, self.now, self.zone, self.leases)

    @cached_property
    def deployment_journal(self) -> "DeploymentJournal":
        from viecomrec.adapters.deployment_journal import DeploymentJournal

        return DeploymentJournal(self.paths.deployment_journal_file)

    @cached_property
    def alerts(self) -> "Alerting":
        from viecomrec.adapters.alert_channels import AlertingConfigFile, Messenger
        from viecomrec.adapters.alert_store import AlertStore
        from viecomrec.adapters.alerts import AlertLog
        from viecomrec.pipelines.alerting import Alerting, AlertTools

        urls, numbers = self.settings.alert_urls, self.settings.alerts
        config = AlertingConfigFile(
            self.paths.alerting_file, urls.get_secret_value() if urls else None
        )
        config.read()  # a wrong configuration is said at the start, not at the first alert
        return Alerting(
            AlertTools(
                log=AlertLog(self.paths.alerts_file, self.zone),
                store=AlertStore(self.paths.alert_store_file),
                messenger=Messenger(numbers.delivery_timeout_seconds),
                config=config,
                now=self.now,
                first_wait=timedelta(seconds=numbers.first_wait_seconds),
                longest_wait=timedelta(seconds=numbers.longest_wait_seconds),
                hold=timedelta(seconds=2 * numbers.delivery_timeout_seconds + 30),
                max_seconds=numbers.max_seconds,
            )
        )

    @cached_property
    def service(self) -> "ServiceClient":
        from viecomrec.adapters.admin_token import AdminToken
        from viecomrec.adapters.service_client import ServiceClient

        return ServiceClient(
            self.settings.service_url,
            token=AdminToken(self.paths.admin_token_file, self.settings.admin_token).read(),
            timeout_seconds=self.settings.service.timeout_seconds,
        )

    @cached_property
    def dead_man_switch(self) -> "DeadManSwitch":
        from viecomrec.adapters.dead_man_switch import DeadManSwitch

        numbers = self.settings.ping
        urls = {name: url.get_secret_value() for name, url in numbers.urls.items()}
        return DeadManSwitch(urls, numbers.timeout_seconds)

    @cached_property
    def language_models(self) -> "LanguageModelFolders":
        from viecomrec.adapters.language_models import LanguageModelFolders, hub_cache

        wanted = self.settings.language_models
        return LanguageModelFolders(
            self.paths.root / wanted.folder if wanted.folder else self.paths.language_models,
            hub_cache() if wanted.use_hub_cache else None,
        )
