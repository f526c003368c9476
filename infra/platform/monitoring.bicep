// Where telemetry and logs go: a Log Analytics workspace, and Application Insights over it.

@description('Required. Where they are kept.')
param location string

@description('Required. Tags of both.')
param tags object

@description('Required. Name of the workspace.')
@minLength(4)
@maxLength(63)
param workspaceName string

@description('Required. Name of the Application Insights component.')
@minLength(1)
@maxLength(260)
param insightsName string

@description('Optional. How many days logs are kept, of which 31 cost nothing extra. Telemetry is kept 90 at the least.')
@minValue(30)
@maxValue(730)
param retentionDays int = 31

@description('Optional. Gigabytes a day, as a text with a decimal point; what comes after them is dropped until the next day. -1: no limit.')
@minLength(1)
param dailyQuotaGb string = '10'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: json(dailyQuotaGb) }
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
    // Telemetry takes the public way in both shapes of network, by identity: a private one would be a private link scope,
    // which moves the name resolution of every workspace that the network reaches.
    publicNetworkAccessForIngestion: 'Enabled'
    publicNetworkAccessForQuery: 'Enabled'
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: true
    IngestionMode: 'LogAnalytics'
    SamplingPercentage: 100 // anything less thins events as well, and verdicts are events
    WorkspaceResourceId: workspace.id
    publicNetworkAccessForIngestion: 'Enabled'
    publicNetworkAccessForQuery: 'Enabled'
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id

@description('Name of the workspace.')
output workspaceName string = workspace.name

@description('Resource id of the component.')
output insightsId string = insights.id

@description('Name of the component.')
output insightsName string = insights.name

@description('Connection string of the component. No secret: with local authentication off it only says where to send, and who sends needs a role.')
output insightsConnectionString string = insights.properties.ConnectionString
