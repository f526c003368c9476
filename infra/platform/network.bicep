// The virtual network, for the shape of deployment in which storage and vault are reached privately.

@description('Required. Where it is kept.')
param location string

@description('Required. Tags of the network.')
param tags object

@description('Required. Name of the network.')
@minLength(2)
@maxLength(64)
param name string

@description('Optional. First two numbers of its addresses, of which it takes the first /22; to be changed where it is peered with a network that has them.')
@minLength(3)
@maxLength(7)
param addresses string = '10.20'

@description('Optional. Resource id of a NAT gateway through which app and workers talk to the services tested. A public address of its own has some 64,000 ports towards each hub; empty: the platform\'s own addresses, which have fewer.')
param natGatewayId string = ''

var gateway = empty(natGatewayId) ? null : { id: natGatewayId }

// Both hosts run on the platform of Container Apps and want a subnet of their own, delegated to it. Its names have no _.
var delegations = [{ name: 'container-apps', properties: { serviceName: 'Microsoft.App/environments' } }]

// Subnets are part of the network here, never resources beside it: a second deployment would take those away first.
resource network 'Microsoft.Network/virtualNetworks@2024-10-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['${addresses}.0.0/22'] }
    subnets: [
      {
        name: 'job'
        properties: {
          addressPrefix: '${addresses}.0.0/23' // some 2,400 replicas: ten share an address, and half is kept for updates
          delegations: delegations
          natGateway: gateway
        }
      }
      {
        name: 'function'
        properties: {
          addressPrefix: '${addresses}.2.0/24' // more than the app's most instances
          delegations: delegations
          natGateway: gateway
        }
      }
      {
        name: 'endpoint'
        properties: {
          addressPrefix: '${addresses}.3.0/27' // an address for each private endpoint, and five of Azure's own
          defaultOutboundAccess: false // nothing in it dials out
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

@description('Resource id of the network.')
output id string = network.id

@description('Resource id of the function app\'s subnet.')
output functionSubnetId string = '${network.id}/subnets/function'

@description('Resource id of the subnet of the Container Apps environment.')
output jobSubnetId string = '${network.id}/subnets/job'

@description('Resource id of the private endpoints\' subnet.')
output endpointSubnetId string = '${network.id}/subnets/endpoint'
