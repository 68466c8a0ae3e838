# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Which tests need packages that may lack."""

from __future__ import annotations

NEED = {
    'rclpy': [
        'launch_files',
        'ros',
        *('benchmarks/test_node_benchmark.py', 'engine/test_sparse_depth.py'),
        'repository/test_readme.py',
    ],
    'depthforge_trainer': [
        'trainer',
        *('benchmarks/test_doubt_benchmarks.py', 'benchmarks/test_gpu_session.py'),
        *('benchmarks/test_study_depth.py', 'benchmarks/test_training_benchmark.py'),
        *('mining/test_mine.py', 'model/test_patch.py', 'repository/test_readme.py'),
    ],
}
"""Tests, files and folders, that cannot be imported without a package."""
