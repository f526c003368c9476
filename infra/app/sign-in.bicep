// Entra ID at the function app's door: requests without a valid token do not reach it.

@description('Required. Name of the function app.')
param functionName string

@description('Required. Application id of the registration that stands for the API.')
@minLength(36)
@maxLength(36)
param clientId string

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionName
}

// Not in the type data that the project checks against: compared by hand with Microsoft's reference of authsettingsV2.
resource signIn 'Microsoft.Web/sites/config@2024-11-01' = {
  // checkov:skip=CKV_AZURE_13: this is it; the check knows the older authsettings only
  // checkov:skip=CKV_AZURE_63: a check of config/web, and this is config/authsettingsV2
  // checkov:skip=CKV_AZURE_65: a check of config/web, and this is config/authsettingsV2
  // checkov:skip=CKV_AZURE_66: a check of config/web, and this is config/authsettingsV2
  // checkov:skip=CKV_AZURE_80: a check of config/web, and this is config/authsettingsV2
  // checkov:skip=CKV_AZURE_88: a check of config/web, and this is config/authsettingsV2
  // checkov:skip=CKV_AZURE_222: a check of config/web, and this is config/authsettingsV2
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true }
    globalValidation: { requireAuthentication: true, unauthenticatedClientAction: 'Return401' }
    httpSettings: { requireHttps: true }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: clientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: { allowedAudiences: ['api://${clientId}', clientId] }
      }
    }
    login: { tokenStore: { enabled: false } }
  }
}

@description('Resource id of the settings.')
output id string = signIn.id
