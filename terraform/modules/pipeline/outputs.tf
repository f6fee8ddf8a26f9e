output "name" {
  value = aws_codepipeline.this.name
}
