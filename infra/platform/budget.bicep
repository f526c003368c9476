// Tells somebody when the resource group costs more than it was meant to. It stops nothing: Azure's figures are hours old.

@description('Required. Name of the budget.')
@minLength(1)
@maxLength(63)
param name string

@description('Required. What a month may cost, in the subscription\'s currency.')
@minValue(1)
param amount int

@description('Required. First day of the month in which it begins, such as 2026-11-01; the running month at the first deployment, and never changed after it.')
@minLength(10)
@maxLength(10)
param startDate string

@description('Optional. Mail addresses that are told, beside the owners.')
@maxLength(50)
param contactEmails array = []

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = {
  name: name
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: startDate }
    notifications: {
      spent: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 80 // percent; the rest is about a day of the largest run
        thresholdType: 'Actual'
        contactEmails: contactEmails
        contactRoles: ['Owner']
      }
      foreseen: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: contactEmails
        contactRoles: ['Owner']
      }
    }
  }
}
