# Who is signed in before the daemon is asked: OpenID Connect at the load balancer, where an issuer and a client are
# given. What the daemon lets in by a signature or a token of its own goes past it.

locals {
  sign_in = var.sign_in == null ? [] : [var.sign_in]
  # The listener cannot take the client's secret from Secrets Manager, and the provider has no write-only argument for
  # it: in a plan and a state it would stand in the clear. AWS never answers it either, so that this word here and the
  # secret that terraform/deploy/sign-in puts there do not disturb each other. With this word nobody gets in.
  no_secret = "put-by-terraform-deploy-sign-in"
}

resource "aws_secretsmanager_secret" "sign_in" {
  #checkov:skip=CKV2_AWS_57:the issuer makes the client's secret; it is put by hand
  count                   = length(local.sign_in)
  name                    = "${var.name}/sign-in"
  description             = "the secret of the load balancer's client at the issuer"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.protected ? 30 : 0
}

# Needs no login: what the daemon answers to everybody, as the page it is asked by needs it; messages of SNS, which are
# signed; and links in mails, which are signed, too, and act only after a question.
resource "aws_lb_listener_rule" "open" {
  count        = length(local.sign_in)
  listener_arn = aws_lb_listener.https.arn
  priority     = 10

  condition {
    path_pattern {
      values = ["/health", "/favicon.ico", "/assets/*", "/l/*", "/api/v1/events/sns"]
    }
  }
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.daemon.arn
  }
}

# Programs show a token and cannot follow a redirect to a login: whoever is signed in is named, others are let
# through, and the daemon answers 401 to who shows nothing.
resource "aws_lb_listener_rule" "programs" {
  count        = length(local.sign_in)
  listener_arn = aws_lb_listener.https.arn
  priority     = 20

  condition {
    path_pattern {
      values = ["/api/*", "/live"]
    }
  }
  action {
    type  = "authenticate-oidc"
    order = 1
    authenticate_oidc {
      issuer                     = var.sign_in.issuer
      authorization_endpoint     = var.sign_in.authorization_endpoint
      token_endpoint             = var.sign_in.token_endpoint
      user_info_endpoint         = var.sign_in.user_info_endpoint
      client_id                  = var.sign_in.client_id
      client_secret              = local.no_secret
      scope                      = var.sign_in.scope
      session_timeout            = var.sign_in.session_hours * 3600
      on_unauthenticated_request = "allow"
    }
  }
  action {
    type             = "forward"
    order            = 2
    target_group_arn = aws_lb_target_group.daemon.arn
  }
}

# The balancer itself asks the issuer for tokens and for who somebody is.
resource "aws_vpc_security_group_egress_rule" "issuer" {
  count             = length(local.sign_in)
  security_group_id = aws_security_group.balancer.id
  description       = "the issuer of sign-ins"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}
