// The query pack: every numbered query, to be found in the portal's Logs.

@description('Required. Where it is kept.')
param location string

@description('Required. Name of the query pack.')
@minLength(1)
param name string

@description('Optional. Tags of the resource.')
param tags object = {}

var queries = [
  { name: '01-runs', title: 'Runs and their verdicts', body: loadTextContent('../queries/01-runs.kql') }
  { name: '02-verdict', title: 'Verdict of a run', body: loadTextContent('../queries/02-verdict.kql') }
  { name: '03-percentiles', title: 'Latency percentiles by operation', body: loadTextContent('../queries/03-percentiles.kql') }
  { name: '04-percentiles-over-time', title: 'Latency percentiles over time', body: loadTextContent('../queries/04-percentiles-over-time.kql') }
  { name: '05-throughput', title: 'Throughput over time', body: loadTextContent('../queries/05-throughput.kql') }
  { name: '06-failures', title: 'Failures by code, with the commonest words', body: loadTextContent('../queries/06-failures.kql') }
  { name: '07-throttling', title: 'Throttling over time', body: loadTextContent('../queries/07-throttling.kql') }
  { name: '08-renewals', title: 'Certificate renewals by phase', body: loadTextContent('../queries/08-renewals.kql') }
  { name: '09-hubs', title: 'Numbers by hub', body: loadTextContent('../queries/09-hubs.kql') }
  { name: '10-progress', title: 'What the devices do, over time', body: loadTextContent('../queries/10-progress.kql') }
  { name: '11-workers', title: 'Workers, and which fell silent', body: loadTextContent('../queries/11-workers.kql') }
  { name: '12-health', title: 'Generator health by batch', body: loadTextContent('../queries/12-health.kql') }
  { name: '13-health-over-time', title: 'Generator health over time', body: loadTextContent('../queries/13-health-over-time.kql') }
  { name: '14-completeness', title: 'Completeness of telemetry', body: loadTextContent('../queries/14-completeness.kql') }
  { name: '15-compare', title: 'Two runs compared', body: loadTextContent('../queries/15-compare.kql') }
  { name: '16-cost', title: 'Cost of telemetry', body: loadTextContent('../queries/16-cost.kql') }
  { name: '17-replicas', title: 'Replicas of the batch job that failed', body: loadTextContent('../queries/17-replicas.kql') }
]

resource queryPack 'Microsoft.OperationalInsights/queryPacks@2025-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {}
}

resource packed 'Microsoft.OperationalInsights/queryPacks/queries@2025-02-01' = [
  for query in queries: {
    parent: queryPack
    name: guid(queryPack.id, query.name)
    properties: {
      displayName: 'certfleet: ${query.title}'
      description: query.title
      body: query.body
      related: { categories: ['applications'], resourceTypes: ['microsoft.operationalinsights/workspaces'] }
      tags: { product: ['certfleet'] }
    }
  }
]

@description('Resource id of the query pack.')
output id string = queryPack.id
