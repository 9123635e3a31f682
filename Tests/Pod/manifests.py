"""Whether the manifests are what Kubernetes takes, and say the same thing wherever they say it twice."""

import copy
import glob
import os
import re
import sys

import jsonpatch
import kubernetes_validate
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.abspath(f"{HERE}/../../deploy/kubernetes")
VERSIONS = ("1.29", "1.33")


def documents(path):
    with open(path) as file:
        return [document for document in yaml.safe_load_all(file) if document]


def overlay(folder):
    """What an overlay makes of its base: patches as Kustomize applies them to the named targets."""
    [kustomization] = documents(f"{folder}/kustomization.yaml")
    [base] = kustomization["resources"]
    base = os.path.normpath(f"{folder}/{base}")
    [root] = documents(f"{base}/kustomization.yaml")
    found = [copy.deepcopy(one) for name in root["resources"] for one in documents(f"{base}/{name}")]
    for patch in kustomization["patches"]:
        target = patch["target"]
        hits = [
            number for number, one in enumerate(found)
            if one["kind"] == target["kind"] and re.fullmatch(target["name"], one["metadata"]["name"])]
        if not hits:
            raise AssertionError(f"{folder}: a patch of {target} has no target")
        for number in hits:
            found[number] = jsonpatch.apply_patch(found[number], yaml.safe_load(patch["patch"]))
    return found


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, sentence, problem=None):
        if problem is None:
            self.passed += 1
            print(f"ok      {sentence}")
        else:
            self.failed += 1
            print(f"FAILED  {sentence}\n        {problem}")


def validate(checks, name, found):
    for one in found:
        for version in VERSIONS:
            problem = None
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                problem = f"{'.'.join(map(str, error.path))}: {error.message}"
            checks.check(f"{name}: {one['kind']} {one['metadata']['name']} is valid in {version}", problem)


def containers(deployment):
    spec = deployment["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def consistency(checks, found):
    """Names that must be the same in two places."""
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in found}
    for (kind, name), one in by_name.items():
        if kind == "Service":
            wanted = one["spec"]["selector"]["app"]
            ports = {port["name"] for each in containers(by_name["Deployment", wanted]) for port in each.get("ports", [])}
            missing = {port["targetPort"] for port in one["spec"]["ports"]} - ports
            checks.check(f"Service {name} leads to ports that there are", f"{missing}" if missing else None)
        if kind == "Deployment":
            volumes = {volume["name"] for volume in one["spec"]["template"]["spec"].get("volumes", [])}
            used = {mount["name"] for each in containers(one) for mount in each.get("volumeMounts", [])}
            checks.check(f"{name} mounts what it has", f"{volumes ^ used}" if volumes != used else None)
            labels = one["spec"]["template"]["metadata"]["labels"]
            selected = one["spec"]["selector"]["matchLabels"]
            checks.check(f"{name} selects its own pods", None if selected.items() <= labels.items() else f"{labels}")
    source, target = by_name["Deployment", "mx-source"], by_name["Deployment", "mx-target"]
    same = source["spec"]["template"]["spec"] == target["spec"]["template"]["spec"]
    checks.check("source and target run the same containers", None if same else "they differ")
    for name in ("mx-source", "mx-target"):
        client, engine = containers(by_name["Deployment", name])
        variables = [{one["name"]: one.get("value") for one in each["env"]} for each in (client, engine)]
        address = {each["MX_ZMQ_ADDRESS"] for each in variables}
        checks.check(f"{name}: client and engine meet at one address", f"{address}" if len(address) > 1 else None)
        drain = by_name["Deployment", name]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        checks.check(f"{name}: the grace period is longer than the drain", None if drain > 90 else f"{drain}")


def main():
    checks = Checks()
    found = []
    for path in sorted(glob.glob(f"{FOLDER}/*.yaml")):
        if os.path.basename(path) != "kustomization.yaml":
            here = documents(path)
            validate(checks, os.path.basename(path), here)
            found += here
    consistency(checks, found)
    for folder in sorted(glob.glob(f"{FOLDER}/overlays/*")):
        validate(checks, os.path.basename(folder), overlay(folder))
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
