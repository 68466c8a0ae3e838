# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled data sets: where their files lie, and what the values in them mean."""
