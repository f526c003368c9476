// Tells somebody of scheduled runs that went wrong, and of firings that started none.

@description('Required. Where the rule is kept; that of the workspace.')
param location string

@description('Required. Name of the rule.')
@minLength(1)
@maxLength(260)
param name string

@description('Required. Resource id of the workspace that holds the telemetry.')
param workspaceId string

@description('Optional. Mail addresses that are told; none: the alert shows in the portal only.')
param emails array = []

@description('Optional. Whether the rule is in force.')
param enabled bool = true

@description('Optional. Tags of rule and action group.')
param tags object = {}

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: name
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'certfleet'
    enabled: true
    emailReceivers: [
      for (email, index) in emails: {
        name: 'person-${index}'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource rule 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: name
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: name
    description: 'A scheduled run ended failed, invalid, aborted or in an error, or a firing of a schedule was refused or missed.'
    severity: 2
    enabled: enabled
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M' // longer than telemetry takes to arrive
    criteria: {
      allOf: [
        {
          query: loadTextContent('../queries/alert-scheduled-runs.kql')
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [
            { name: 'schedule', operator: 'Include', values: ['*'] }
            { name: 'became', operator: 'Include', values: ['*'] }
          ]
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // the tables appear with the first telemetry
    actions: { actionGroups: empty(emails) ? [] : [people.id] }
  }
}

@description('Resource id of the rule.')
output id string = rule.id
