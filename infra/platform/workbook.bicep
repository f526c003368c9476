// The workbook over the telemetry of runs.

@description('Required. Where it is kept.')
param location string

@description('Required. Resource id of the workspace that its queries ask.')
param workspaceId string

@description('Optional. What it is called in the portal.')
@maxLength(255)
param displayName string = 'certfleet'

@description('Optional. Tags of the resource.')
param tags object = {}

var serialized = replace(loadTextContent('../queries/workbook.json'), 'WORKSPACE_ID', workspaceId)

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'certfleet-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    version: '1.0'
    sourceId: workspaceId
    serializedData: serialized
  }
}

@description('Resource id of the workbook.')
output id string = workbook.id
