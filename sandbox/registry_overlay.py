"""What moto's model registry lacks: deletion, numbers that are never given twice, updates that keep what they
were not told to change, and models made from a package.
"""

from collections import Counter
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import Model, ModelPackage, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse


class RegistryBackend(SageMakerModelBackend):
    """Moto's backend with a model registry that behaves; ``url`` is where the sandbox itself answers."""

    url = ""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.versions: Counter[str] = Counter()

    def create_model_package(self, **kwargs: Any) -> str:
        """Register a package; a versioned one is pending if nothing else is said, and gets the next number."""
        group = (kwargs.get("model_package_group_name") or "").rpartition("/")[2]
        if group:
            kwargs["model_package_group_name"] = group
            kwargs["model_approval_status"] = kwargs.get("model_approval_status") or "PendingManualApproval"
        # Moto counts the packages that are left, and would put the new one in the place of another.
        others = dict(self.model_packages)
        package = self.model_packages[super().create_model_package(**kwargs)]
        if group:
            self.versions[group] += 1
            package.model_package_version = self.versions[group]
            package.arn = f"{package.arn.rpartition('/')[0]}/{package.model_package_version}"
        self.model_packages.clear()
        self.model_packages.update(others | {package.arn: package})
        self.model_package_name_mapping.update({package.arn: package.arn, package.model_package_name: package.arn})
        return str(package.arn)

    def update_model_package(
        self,
        model_package_arn: str,
        model_approval_status: str | None,
        approval_description: str | None,
        customer_metadata_properties: dict[str, str] | None,
        *args: Any,
        **kwargs: Any,
    ) -> str:
        """Change what is given and keep the rest: metadata is added to, not replaced."""
        package = self.describe_model_package(model_package_arn)
        metadata = (package.customer_metadata_properties or {}) | (customer_metadata_properties or {})
        arn = super().update_model_package(
            model_package_arn,
            model_approval_status or package.model_approval_status,
            approval_description if approval_description is not None else package.approval_description,
            metadata or None,
            *args,
            **kwargs,
        )
        return str(arn)

    def delete_model_package(self, name: str) -> None:
        """Delete a package by its ARN, or by its name if it is unversioned."""
        package: ModelPackage = self.describe_model_package(name)
        del self.model_packages[package.arn]
        left = {key: arn for key, arn in self.model_package_name_mapping.items() if arn != package.arn}
        self.model_package_name_mapping.clear()
        self.model_package_name_mapping.update(left)

    def delete_model_package_group(self, name: str) -> None:
        """Delete a group that is empty."""
        group = self.describe_model_package_group(name.rpartition("/")[2])
        group_name = group.model_package_group_name
        if any(package.model_package_group_name == group_name for package in self.model_packages.values()):
            message = f"Model Package Group {group.arn} cannot be deleted because it contains model packages."
            raise ValidationError(message=message)
        del self.model_package_groups[group_name]

    def create_model(self, *args: Any, **kwargs: Any) -> Any:
        """Create a model; its name must be free, and a package that a container names must be there."""
        existing = self._models.get(kwargs.get("model_name", ""))
        if existing:
            message = f'Cannot create already existing model "{existing.arn}".'
            raise ValidationError(message=message)
        for container in (kwargs.get("primary_container") or {}, *(kwargs.get("containers") or ())):
            if "ModelPackageName" in container:
                self.describe_model_package(container["ModelPackageName"])
        return super().create_model(*args, **kwargs)

    def container_of(self, model_name: str) -> dict[str, Any]:
        """Return a model's first container, with image and ``ModelDataUrl`` from its package if it names one."""
        model: Model = self._models[model_name]
        container: dict[str, Any] = model.primary_container or model.containers[0]
        if "ModelPackageName" in container:
            package = self.describe_model_package(container["ModelPackageName"])
            return container | dict(package.inference_specification["Containers"][0])
        return container


def install(url: str) -> None:
    """Give moto the operations that it lacks. Call once, before the first request."""
    RegistryBackend.url = url
    SageMakerResponse.delete_model_package = _delete_model_package
    SageMakerResponse.delete_model_package_group = _delete_model_package_group


def _delete_model_package(self: Any) -> ActionResult:
    self.sagemaker_backend.delete_model_package(self._get_param("ModelPackageName"))
    return EmptyResult()


def _delete_model_package_group(self: Any) -> ActionResult:
    self.sagemaker_backend.delete_model_package_group(self._get_param("ModelPackageGroupName"))
    return EmptyResult()
