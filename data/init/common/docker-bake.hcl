# docker buildx bake          the image for @@hosts@@
# docker buildx bake test     the tests, without a GPU
# docker buildx bake hosts    one image for each host, with the versions that are best for it alone

variable "IMAGE" {
  default = "@@project@@"
}

variable "TAG" {
  default = "dev"
}

# A registry reference to keep the cache in: CACHE=ghcr.io/me/@@project@@:cache
variable "CACHE" {
  default = ""
}

group "default" {
  targets = ["app"]
}

target "common" {
  context    = "."
  dockerfile = "Dockerfile"
  platforms  = ["@@platform@@"]
  cache-from = CACHE == "" ? [] : ["type=registry,ref=${CACHE}"]
  cache-to   = CACHE == "" ? [] : ["type=registry,ref=${CACHE},mode=max"]
}

target "app" {
  inherits = ["common"]
  args     = @@bake_args@@
  tags     = ["${IMAGE}:${TAG}"]
}

target "test" {
  inherits = ["app"]
  target   = "test"
  tags     = []
  output   = ["type=cacheonly"]
}

target "hosts" {
  inherits = ["common"]
  name     = "host-${host.name}"
  matrix = {
    host = [
@@bake_hosts@@
    ]
  }
  args   = host.args
  labels = host.labels
  tags   = ["${IMAGE}:${TAG}-${host.name}"]
}
