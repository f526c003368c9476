// The workers: a job that the function app starts. An execution has as many replicas as parallelism says, and those that
// find no batch end at once and well.

@description('Required. Where it is kept.')
param location string

@description('Required. Tags of the job.')
param tags object

@description('Required. Name of the job.')
@minLength(2)
@maxLength(32)
param name string

@description('Required. Resource id of the Container Apps environment.')
param environmentId string

@description('Required. Resource id of the workers\' identity.')
param identityId string

@description('Required. Application id of the workers\' identity.')
param clientId string

@description('Required. Host name of the registry that holds the image.')
param registryServer string

@description('Required. Address of the vault, with a slash at its end.')
param vaultUri string

@description('Required. Secrets that the vault has by now, by name. Container Apps refuses a job that refers to any other.')
param vaultSecrets array

@description('Required. What the engine is told: { name, value } each.')
param settings array

@description('Required. Settings whose values lie in the vault: { name, secret } each.')
param keys array

@description('Required. The image of the worker that runs now; empty: none yet, and a placeholder stands in for it.')
param image string

@description('Required. How many replicas every execution has, and the most a run can have; its dry run tells what it needs.')
@minValue(1)
@maxValue(1000)
param replicas int

@description('Required. After how many seconds a replica is ended. Longer than the longest run, for replicas stay for all its waves.')
@minValue(1800)
@maxValue(604800)
param replicaTimeout int

var references = [for key in keys: { name: key.name, secretRef: key.secret }]

resource job 'Microsoft.App/jobs@2026-01-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'worker' })
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Manual'
      // A completion count below parallelism would end an execution as soon as that many replicas found nothing to do.
      manualTriggerConfig: { parallelism: replicas, replicaCompletionCount: replicas }
      replicaTimeout: replicaTimeout
      replicaRetryLimit: 1
      registries: [{ server: registryServer, identity: identityId }]
      secrets: [for secret in vaultSecrets: { name: secret, keyVaultUrl: '${vaultUri}secrets/${secret}', identity: identityId }]
      identitySettings: [{ identity: identityId, lifecycle: 'Main' }]
    }
    template: {
      containers: [
        {
          name: 'worker' // the container whose args and size a start overrides
          image: empty(image) ? 'python:3.13.12-slim-trixie' : image // the worker's base: a start before there is a worker fails
          env: concat(settings, references, [
            { name: 'AZURE_CLIENT_ID', value: clientId }
            { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${clientId};Authorization=AAD' }
          ])
          resources: { cpu: json('1'), memory: '2Gi' } // a start says what its run needs
        }
      ]
    }
  }
}

@description('Resource id of the job.')
output id string = job.id

@description('Name of the job.')
output name string = job.name
