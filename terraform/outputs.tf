output "services" {
  description = "services.auto.yaml: what $${service.key} refers to. `terraform output -raw services > ../services.auto.yaml`"
  value = yamlencode(merge(
    {
      counter      = module.counter.services
      resize       = module.resize.services
      announcement = module.announcement.services
      posting      = module.posting.services
      alerting     = { oncall_topic = module.alerting.topic_arns["oncall"], web_topic = module.alerting.topic_arns["web"], queue = module.alerting.queue_name, dlq = module.alerting.dead_letter_name }
    },
    var.daemon_host ? { host = module.daemon[0].services } : {},
  ))
}

output "estate" {
  description = "The owner's mark, which is the estate's name in the deployed project file."
  value       = local.name
}

output "region" {
  value = var.aws_region
}

output "daemon_host" {
  value = var.daemon_host
}

output "sites" {
  description = "Addresses of the pages."
  value       = { for service, site in local.sites : service => site.url }
}

output "apis" {
  description = "Addresses of the APIs, without the CDN."
  value = {
    counter      = module.counter.api_url
    resize       = module.resize.api_url
    announcement = module.announcement.api_url
    posting      = module.posting.api_url
  }
}

output "console_url" {
  description = "The console; null without the daemon's host."
  value       = local.console_url
}

output "topic_arns" {
  value = merge(module.alerting.topic_arns, { events = module.announcement.topic_arn })
}

output "bucket_names" {
  value = merge(
    { for service, site in local.sites : "${service}_site" => site.bucket },
    { pictures = module.resize.bucket, posting = module.posting.bucket },
    var.daemon_host ? { sources = module.daemon[0].sources_bucket } : {},
  )
}

output "distribution_ids" {
  value = { for service, site in local.sites : service => site.distribution_id }
}

output "alarm_queue_url" {
  description = "Where changes of alarms arrive."
  value       = module.alerting.queue_url
}

output "user_pool" {
  description = "Who may: the pool, and the clients of the pages."
  value = {
    id      = module.people.id
    issuer  = module.people.issuer
    clients = { announcement = module.announcement.client_id, posting = module.posting.client_id }
  }
}

output "origin_secret" {
  description = "The name of the secret that CloudFront sends to the gallery; terraform/deploy/origin-header fills both."
  value       = module.posting.origin_secret
}

output "functions" {
  description = "Functions whose alias the pipeline moves."
  value = concat(
    [module.counter.services.function, module.resize.services.function, module.resize.services.sweep],
    [module.announcement.services.function, module.announcement.services.notify, module.announcement.services.fan_out],
    values(module.posting.services.functions), [module.posting.authorizer],
  )
}

output "link_secret" {
  description = "The secret that signs the links in mails; terraform/deploy/secrets fills it. Null without the daemon's host."
  value       = var.daemon_host ? module.daemon[0].link_secret : null
}

output "sign_in" {
  description = "What the daemon and terraform/deploy/sign-in need where the load balancer signs people in, and the address that the issuer has to know; null where it does not."
  value = var.sign_in == null ? null : {
    listener_arn = module.daemon[0].listener_arn
    secret       = module.daemon[0].sign_in_secret
    redirect_url = "${local.console_url}/oauth2/idpresponse"
    issuer       = var.sign_in.issuer
    client       = var.sign_in.client_id
    claim        = var.sign_in.claim
    roles        = { for role, values in var.sign_in.roles : role => values if length(values) > 0 }
  }
}

output "image_repository" {
  description = "Where the pipeline pushes the daemon's image; null without its host."
  value       = var.daemon_host ? module.daemon[0].repository_url : null
}

output "image_tag" {
  description = "The commit whose image runs."
  value       = var.image_tag
}

output "group" {
  description = "The Auto Scaling Group; null without the daemon's host."
  value       = var.daemon_host ? module.daemon[0].group : null
}

output "dns" {
  description = "Records to add by hand where mail_from's domain is no zone of domain_name."
  value       = module.announcement.dns
}

output "metrics_region" {
  description = "Where CloudFront's metrics are read, whatever aws_region is."
  value       = "us-east-1"
}

output "github_roles" {
  description = "The roles of the workflows; null without github_repo."
  value       = var.github_repo == null ? null : module.github[0].role_arns
}

locals {
  sites = {
    counter      = module.counter.site
    resize       = module.resize.site
    announcement = module.announcement.site
    posting      = module.posting.site
  }
}
