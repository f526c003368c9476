#!/bin/sh
# Deploys and removes certfleet by plain `az`; `make deploy`, `make target` and `make destroy` call it. Azure keeps what
# there is to know of an earlier time: the outputs of the deployment of that name.
#
#   ENVIRONMENT  its name, which is part of the resource groups' names
#   LOCATION     region; needed at the first time
#   PARAMETERS   further parameters of the template: name=value …, or @file; those of an earlier time are not remembered
#   PRINCIPAL    object id of who deploys; a service principal has to give it, and principalType=ServicePrincipal
#   CONFIRM      destroy only: the name of the environment once more
#   PART         destroy only: target, or everything where it is left out
set -euf # what follows is split into words where that is meant, and nothing is a pattern

main=certfleet-${ENVIRONMENT:-}
target=certfleet-target-${ENVIRONMENT:-}
python=${PYTHON:-.venv/bin/python}
kept=.certfleet/$target.parameters.json # what the app is told of the target that was set up here last

die() {
    echo "$*" >&2
    exit 1
}

say() {
    echo "== $*" >&2
}

ready() {
    case ${ENVIRONMENT:-} in
        '') die "which environment? Say ENVIRONMENT=name, for instance ENVIRONMENT=dev" ;;
        *[!a-z0-9-]*) die "ENVIRONMENT=$ENVIRONMENT: expected a-z, 0-9 and -" ;;
    esac
    command -v az >/dev/null || die "az was not found: install the Azure CLI, or deploy with azd up"
    az account show --output none 2>/dev/null || die "az is not logged in: az login, and az account set for the subscription"
}

# An output of a deployment, nothing where there is no such deployment.
output() {
    az deployment sub show --name "$1" --query "properties.outputs.$2.value" --output tsv 2>/dev/null || true
}

# A variable of that name, which azd provides with `azd env get-values`, or else an output of our deployment.
known() {
    eval "found=\${$1:-}"
    [ -n "$found" ] || found=$(output "$main" "$1")
    echo "$found"
}

location() {
    found=${LOCATION:-$(known AZURE_LOCATION)}
    [ -n "$found" ] || die "where to? Say LOCATION=region, for instance LOCATION=westeurope"
    echo "$found"
}

principal() {
    echo "${PRINCIPAL:-$(az ad signed-in-user show --query id --output tsv 2>/dev/null || true)}"
}

# Secrets by name: what the vault has by now, at most what the template knows of.
secrets() {
    az keyvault secret list --id "$(output "$main" AZURE_KEY_VAULT_URI)" \
        --query "join(',', [?name=='state-key' || name=='state-key-old' || name=='dps-group-key'].name)" --output tsv
}

# Parameters may be several, and are split into words.
provision() {
    found=''
    [ ! -f "$kept" ] || found="@$kept"
    # shellcheck disable=SC2086
    az deployment sub create --name "$main" --location "$place" --template-file infra/main.bicep --output none \
        --parameters environmentName="$ENVIRONMENT" location="$place" principalId="$who" \
        vaultSecrets="$1" workerImage="$2" $found ${PARAMETERS:-}
}

deploy() {
    [ -f dist/function.zip ] && [ -d dist/image ] || die "there is nothing to deploy: make build"
    place=$(location)
    who=$(principal)
    if [ -z "$(output "$main" BATCH_JOB)" ]; then
        say "provisioning everything; what takes secrets from the vault waits for them"
        provision '' ''
    fi
    "$python" -m engine vault init --vault "$(output "$main" AZURE_KEY_VAULT_URI)"

    # Named after its content: the same code is the same image.
    tag=$(find dist/image -type f -exec cksum {} + | sort -k 3 | cksum | cut -d ' ' -f 1)
    registry=$(output "$main" AZURE_CONTAINER_REGISTRY_ENDPOINT)
    running=$(az resource show --ids "$(output "$main" BATCH_JOB)" --query 'properties.template.containers[0].image' --output tsv)
    if [ "$running" != "$registry/certfleet:$tag" ]; then
        say "building the worker's image"
        az acr build --registry "${registry%%.*}" --image "certfleet:$tag" --output none dist/image
    fi
    say "provisioning"
    provision "$(secrets)" "$registry/certfleet:$tag"
    say "deploying the function app"
    az functionapp deployment source config-zip --resource-group "$(output "$main" AZURE_RESOURCE_GROUP)" \
        --name "$(output "$main" SERVICE_ORCHESTRATOR_NAME)" --src dist/function.zip --build-remote true --output none
    echo "export CERTFLEET_URL=$(output "$main" CERTFLEET_URL)"
}

target() {
    place=$(location)
    vault=$(known AZURE_KEY_VAULT_URI)
    [ -n "$vault" ] || die "there is no vault for the group's key: make deploy comes first"
    testers="[\"$(known FUNCTION_PRINCIPAL_ID)\",\"$(known WORKER_PRINCIPAL_ID)\"]"
    linked=false
    [ "$(output "$target" certificateModel)" != certificateAuthority ] || linked=true
    say "provisioning the services to be tested"
    # shellcheck disable=SC2086
    az deployment sub create --name "$target" --location "$place" --template-file infra/target/main.bicep --output none \
        --parameters environmentName="$ENVIRONMENT" location="$place" deployerPrincipalId="$(principal)" \
        testerPrincipalIds="$testers" isLinked="$linked" ${PARAMETERS:-}
    say "setting them up"
    mkdir -p .certfleet
    az deployment sub show --name "$target" --query properties.outputs --output json >".certfleet/$target.outputs.json"
    "$python" -m engine target setup --outputs ".certfleet/$target.outputs.json" --vault "$vault" --json >".certfleet/$target.json"
    "$python" -c '
import json, sys
found = json.load(open(sys.argv[1], encoding="utf-8"))
told = {"targets": found["TARGETS"], "allowedHosts": found["ALLOWED_HOSTS"], "defaultTarget": next(iter(found["TARGETS"]))}
print(json.dumps({"contentVersion": "1.0.0.0", "parameters": {name: {"value": value} for name, value in told.items()}}))
' ".certfleet/$target.json" >"$kept.new"
    mv "$kept.new" "$kept"
    say "make deploy tells app and workers of it; it takes $kept along"
}

# Our own role outlives the group in which it may be given, so it goes first, and before it whoever has it.
remove_role() {
    role=$(az role definition list --custom-role-only true --resource-group "rg-$ENVIRONMENT" \
        --query "[?starts_with(roleName, 'certfleet job starter')].name" --output tsv)
    job=$(output "$main" BATCH_JOB)
    [ -n "$role" ] && [ -n "$job" ] || return 0
    az role assignment delete --role "$role" --scope "$job"
    az role definition delete --name "$role" --resource-group "rg-$ENVIRONMENT"
}

remove_group() {
    [ "$(az group exists --name "$1")" = true ] || return 0
    say "deleting the resource group $1 and everything in it"
    az group delete --name "$1" --yes
}

destroy() {
    case ${PART:-} in
        '' | target) ;;
        *) die "PART=$PART: expected target, or nothing" ;;
    esac
    [ "${CONFIRM:-}" = "$ENVIRONMENT" ] || die "this would delete rg-target-$ENVIRONMENT$([ -n "${PART:-}" ] || echo " and rg-$ENVIRONMENT with all results"); if it is meant: CONFIRM=$ENVIRONMENT"
    remove_group "rg-target-$ENVIRONMENT"
    az deployment sub delete --name "$target" --output none 2>/dev/null || true
    rm -f "$kept"
    [ -z "${PART:-}" ] || return 0
    [ "$(az group exists --name "rg-$ENVIRONMENT")" = false ] || remove_role
    remove_group "rg-$ENVIRONMENT"
    az deployment sub delete --name "$main" --output none 2>/dev/null || true
    say "the vault comes back with PARAMETERS=vaultRestored=true; for a week its name is taken, and so is ENVIRONMENT=$ENVIRONMENT"
}

case ${1:-} in
    ready) ready ;;
    deploy | target | destroy) ready && "$1" ;;
    *) die "usage: infra/az.sh ready | deploy | target | destroy" ;;
esac
