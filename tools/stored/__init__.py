"""The makers of files that come with the course: sample, backbone, networks of the live page."""
